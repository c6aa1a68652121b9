//! Which of the connections that come are passed on.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::certificates::Authority;
use super::soon;
use crate::network::connection::{Io, Listener};
use crate::network::incoming::{PeerIo, incoming_within};
use crate::network::places::Limits;
use crate::network::tls::{PeerTls, ServerTls};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A port without a network: tests hand it what it accepts.
struct Port {
    accepted: mpsc::UnboundedReceiver<io::Result<Io>>,
}

impl Listener for Port {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(from())
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Io, SocketAddr)>> {
        Box::pin(async {
            match self.accepted.recv().await {
                Some(accepted) => accepted.map(|io| (io, from())),
                None => std::future::pending().await,
            }
        })
    }
}

fn from() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000))
}

/// The two ends of a port: where tests knock, and where connections come out.
struct Door {
    knocks: mpsc::UnboundedSender<io::Result<Io>>,
    incoming: Pin<Box<dyn Stream<Item = io::Result<PeerIo>>>>,
    stop: CancellationToken,
}

impl Door {
    fn new(limits: Limits, tls: Option<ServerTls>) -> Self {
        let (knocks, accepted) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let port = Box::new(Port { accepted });
        let incoming = incoming_within(limits, port, tls, stop.clone());
        Self {
            knocks,
            incoming: Box::pin(incoming),
            stop,
        }
    }

    /// Connects.
    fn knock(&self) -> DuplexStream {
        let (near, far) = duplex(64 << 10);
        self.knocks.send(Ok(Box::new(far))).expect("an open door");
        near
    }

    /// Connects, and says what HTTP/2 begins with.
    async fn knock_well(&self) -> DuplexStream {
        let mut io = self.knock();
        io.write_all(PREFACE).await.expect("written");
        io
    }

    /// The next connection.
    async fn next(&mut self) -> PeerIo {
        let next = soon("a connection", self.incoming.next()).await;
        next.expect("no end").expect("no error")
    }
}

/// Waits until the other end has closed.
async fn closed(io: &mut DuplexStream) {
    let mut rest = Vec::new();
    let read = soon("its close", io.read_to_end(&mut rest)).await;
    assert_eq!(read.ok(), Some(0), "{rest:?}");
}

/// Limits that leave time enough.
fn patient(connections: usize) -> Limits {
    Limits {
        strangers: connections,
        members: connections,
        opening: super::PATIENCE * 2,
        least: Duration::ZERO,
    }
}

/// Limits that leave hardly any time.
fn hasty(connections: usize) -> Limits {
    Limits {
        opening: Duration::from_millis(50),
        ..patient(connections)
    }
}

/// As a valid call does.
fn prove(io: &PeerIo) -> bool {
    io.connect_info().place().is_some_and(|place| place.prove())
}

#[tokio::test]
async fn a_connection_is_passed_on_as_it_came() {
    let mut door = Door::new(patient(1), None);
    let mut near = door.knock();
    // However small the pieces in which it comes.
    for byte in PREFACE {
        near.write_all(&[*byte]).await.expect("written");
        tokio::task::yield_now().await;
    }
    near.write_all(b" and more").await.expect("written");
    let mut far = door.next().await;
    // However small the pieces in which it is read.
    let mut read = Vec::new();
    while read.len() < PREFACE.len() + 9 {
        let mut piece = [0; 5];
        let length = soon("a piece", far.read(&mut piece)).await.expect("read");
        assert_ne!(length, 0);
        read.extend_from_slice(&piece[..length]);
    }
    assert_eq!(read, [PREFACE, b" and more"].concat());
    far.write_all(b"answer").await.expect("written");
    far.shutdown().await.expect("closed");
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.expect("read");
    assert_eq!(answer, b"answer");
}

#[tokio::test]
async fn garbage_is_closed_at_once() {
    let mut door = Door::new(patient(1), None);
    let almost = [&PREFACE[..PREFACE.len() - 1], b"x"].concat();
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/1.1\r\n",
        &almost,
        &[0; 10_000],
        b"\n",
    ];
    for garbage in garbage {
        let mut near = door.knock();
        near.write_all(garbage).await.expect("written");
        closed(&mut near).await;
    }
    let mut half = door.knock();
    half.write_all(&PREFACE[..10]).await.expect("written");
    half.shutdown().await.expect("closed");
    closed(&mut half).await;
    let _near = door.knock_well().await;
    door.next().await;
}

#[tokio::test]
async fn who_does_not_say_enough_in_time_is_closed() {
    let mut door = Door::new(hasty(2), None);
    let mut silent = door.knock();
    let mut halting = door.knock();
    halting.write_all(&PREFACE[..23]).await.expect("written");
    closed(&mut silent).await;
    closed(&mut halting).await;
    // Both places are free again.
    let _near = [door.knock_well().await, door.knock_well().await];
    let _far = [door.next().await, door.next().await];
}

#[tokio::test]
async fn a_connection_on_which_a_call_was_made_has_all_the_time() {
    let mut door = Door::new(hasty(2), None);
    let mut near = door.knock_well().await;
    let mut far = door.next().await;
    let mut idle = door.knock_well().await;
    let mut idle_far = door.next().await;
    assert!(prove(&far));
    far.read_exact(&mut [0; PREFACE.len()]).await.expect("read");
    idle_far
        .read_exact(&mut [0; PREFACE.len()])
        .await
        .expect("read");
    // That nothing happens can only be waited for.
    tokio::time::sleep(hasty(2).opening * 4).await;
    near.write_all(b"late").await.expect("written");
    let mut late = [0; 4];
    soon("what comes late", far.read_exact(&mut late))
        .await
        .expect("read");
    assert_eq!(&late, b"late");
    // One on which none was made is closed, however much comes on it.
    idle.write_all(b"late").await.expect("written");
    let error = soon("its end", idle_far.read_exact(&mut late)).await;
    let error = error.expect_err("closed");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    idle_far.write_all(b"answer").await.expect_err("closed");
}

#[tokio::test]
async fn strangers_keep_nobody_out() {
    let mut door = Door::new(patient(2), None);
    let _members = [door.knock_well().await, door.knock_well().await];
    let members = [door.next().await, door.next().await];
    assert!(members.iter().all(prove));
    // Strangers beside them make room for each other, the oldest first, and not for members.
    let mut silent = door.knock();
    let mut halting = door.knock();
    halting.write_all(&PREFACE[..10]).await.expect("written");
    let mut idle = door.knock_well().await;
    closed(&mut silent).await;
    let mut idle_far = door.next().await;
    idle_far
        .read_exact(&mut [0; PREFACE.len()])
        .await
        .expect("read");
    let mut last = door.knock();
    closed(&mut halting).await;
    let mut newest = door.knock();
    let error = soon("its end", idle_far.read_u8()).await;
    let error = error.expect_err("closed");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "{error}");
    assert!(!prove(&idle_far), "its place is lost");
    drop(idle_far);
    closed(&mut idle).await;
    // Members have as many places as they may have, and no more.
    last.write_all(PREFACE).await.expect("written");
    let third = door.next().await;
    assert!(!prove(&third));
    drop(members);
    assert!(prove(&third));
    newest.write_all(PREFACE).await.expect("written");
    assert!(prove(&door.next().await));
}

#[tokio::test]
async fn connections_open_beside_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new("ours");
    let files = authority.files(folder.path(), &authority.issue(&["node-1"]));
    let tls = PeerTls::load(&files).expect("usable files");
    let mut door = Door::new(patient(8), Some(tls.server()));
    let silent: Vec<_> = (0..4).map(|_| door.knock()).collect();
    let mut garbage = door.knock();
    garbage.write_all(b"GET / HTTP/1.1").await.expect("written");
    let near = door.knock();
    let near = soon("a handshake", tls.client("node-1", Box::new(near))).await;
    let mut near = near.expect("a session");
    near.write_all(PREFACE).await.expect("written");
    near.flush().await.expect("flushed");
    let mut far = door.next().await;
    let mut read = [0; PREFACE.len()];
    far.read_exact(&mut read).await.expect("read");
    assert_eq!(read, PREFACE);
    // An alert may come, and then the end.
    let refused = soon("its close", garbage.read_to_end(&mut Vec::new())).await;
    refused.expect("read");
    drop(silent);
}

#[tokio::test]
async fn accepting_survives_its_errors() {
    let mut door = Door::new(patient(8), None);
    // Aborted, interrupted, too many open files in the process and in the system, no memory.
    for code in [103, 4, 24, 23, 12] {
        let error = io::Error::from_raw_os_error(code);
        door.knocks.send(Err(error)).expect("an open door");
    }
    let _near = door.knock_well().await;
    door.next().await;
}

#[tokio::test]
async fn the_end_comes_with_stop_alone() {
    let mut door = Door::new(patient(8), None);
    let mut opening = door.knock();
    let _near = door.knock_well().await;
    let mut far = door.next().await;
    door.stop.cancel();
    let end = soon("the end", door.incoming.next()).await;
    assert!(end.is_none());
    // With it end the port and what was opening, but not what is open.
    soon("the port's end", door.knocks.closed()).await;
    closed(&mut opening).await;
    far.write_all(b"still here").await.expect("written");
}

#[tokio::test]
async fn nobody_who_listens_means_no_port() {
    let Door {
        knocks,
        incoming,
        stop: _stop,
    } = Door::new(patient(8), None);
    drop(incoming);
    soon("the port's end", knocks.closed()).await;
}
