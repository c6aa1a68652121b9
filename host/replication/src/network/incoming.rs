//! The connections that other nodes make: which of those that come are passed on.
//!
//! A connection is passed on once it has proved with TLS that it is a member's, and shown that there is HTTP/2 at its other
//! end. On a port without TLS, which is one on loopback, the first call that is valid is all the proof there is.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body_util::Empty;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spindrift_net::listening::note_accept_failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::server::Connected;

use super::connection::{Io, Listener};
use super::places::{Caller, Limits, Place, Places, Refusal};
use super::revocable::Revocable;
use super::tls::{Distrust, NO_TLS_ALERT, ServerTls, drain, needless};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What every connection of TLS begins with: a record with a message of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: &[u8] = &[0x16];

/// Calls that one connection may make at a time that is told to speak TLS.
const MAX_CALLS_IN_CLEAR: u32 = 4;

/// Pause after the system has refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections that other nodes make, each with HTTP/2 at its other end, and past its TLS handshake where there is TLS.
/// Closes a connection that does not get so far in time. Ends only at `stop`.
pub fn incoming(
    listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<PeerIo>> {
    incoming_within(Limits::default(), listener, tls, stop)
}

/// [`incoming`] with other limits.
pub(super) fn incoming_within(
    limits: Limits,
    listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<PeerIo>> {
    let (opened, stream) = mpsc::channel(16);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = opened.closed() => {}
            () = accept_all(limits, listener, tls, &opened) => {}
        }
    });
    ReceiverStream::new(stream)
}

/// Accepts connections. Never ends by itself; those that are opening end with it.
async fn accept_all(
    limits: Limits,
    mut listener: Box<dyn Listener>,
    tls: Option<ServerTls>,
    opened: &mpsc::Sender<io::Result<PeerIo>>,
) {
    let places = Places::new(limits);
    let mut opening = JoinSet::new();
    loop {
        // Clears finished tasks.
        while opening.try_join_next().is_some() {}
        let (io, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                note_accept_failure(&error);
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = places.take(from).await;
        let (tls, opened) = (tls.clone(), opened.clone());
        opening.spawn(async move {
            let open = timeout_at(place.deadline(), open(io, tls, &place));
            let result = tokio::select! {
                // First whether it has proved itself by now.
                biased;
                result = open => result,
                () = place.lost() => {
                    tracing::debug!(%from, "closed: another connection has taken its place");
                    return;
                }
            };
            match result {
                Ok(Ok(io)) => {
                    opened.send(Ok(io.with(place))).await.ok();
                }
                Ok(Err(error)) => match Distrust::of(&error) {
                    Some(distrust) => place.refuse(Refusal::Proof, distrust),
                    None => tracing::debug!(%from, "closed: {error}"),
                },
                Err(_) => tracing::debug!(%from, "closed: not opened within {:?}", limits.opening),
            }
        });
    }
}

/// Waits for the TLS handshake and for the preface of HTTP/2. Those who speak the one where the other is expected are told.
async fn open(mut io: Io, tls: Option<ServerTls>, place: &Arc<Place>) -> io::Result<Revocable> {
    let begins = [io.read_u8().await?];
    match tls {
        Some(tls) if begins == HANDSHAKE => {
            let mut io = tls
                .accept(Box::new(Revocable::begun(io, HANDSHAKE)))
                .await?;
            if !place.prove() {
                let words = "as many connections of nodes are open as may be";
                place.refuse(Refusal::Full, words);
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, words));
            }
            read_preface(&mut io, 0).await?;
            Ok(Revocable::begun(io, PREFACE))
        }
        None if begins == HANDSHAKE => {
            io.write_all(&NO_TLS_ALERT).await?;
            drain(io).await;
            Err(needless().into())
        }
        _ if !PREFACE.starts_with(&begins) => Err(neither()),
        Some(tls) => {
            read_preface(&mut io, begins.len()).await?;
            let wanted = tls.proof().wanted();
            place.refuse(Refusal::Clear, &wanted);
            refuse_calls(Revocable::begun(io, PREFACE), wanted).await;
            Err(io::ErrorKind::PermissionDenied.into())
        }
        None => {
            read_preface(&mut io, begins.len()).await?;
            Ok(Revocable::begun(io, PREFACE).ending(place.end()))
        }
    }
}

/// Reads the preface of HTTP/2, of which some bytes were read: byte by byte if they come so, and not to the end of what is
/// none.
async fn read_preface(io: &mut Io, mut length: usize) -> io::Result<()> {
    let mut read = [0; PREFACE.len()];
    let (begun, _) = PREFACE.split_at(length);
    read[..length].copy_from_slice(begun);
    while length < PREFACE.len() {
        let more = io.read(&mut read[length..]).await?;
        length += more;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&read[..length]) {
            return Err(neither());
        }
    }
    Ok(())
}

fn neither() -> io::Error {
    let reason = "it begins neither as TLS nor as HTTP/2";
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Refuses all calls that come on a connection in clear, in words, and ends it after the first.
async fn refuse_calls(io: Revocable, reason: String) {
    let refused = Arc::new(Notify::new());
    let told = refused.clone();
    let service = service_fn(move |_| {
        told.notify_one();
        let response = Status::unauthenticated(reason.clone()).into_http::<Empty<Bytes>>();
        ready(Ok::<_, Infallible>(response))
    });
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(MAX_CALLS_IN_CLEAR)
            .serve_connection(TokioIo::new(io), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = refused.notified() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}

/// A connection that another node has made, with its place among those that may be open.
pub type PeerIo = Revocable<Arc<Place>>;

impl Connected for PeerIo {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        Caller::on(self.belonging())
    }
}
