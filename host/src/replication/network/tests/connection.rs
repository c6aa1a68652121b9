//! How connections are made, and which of those that come are passed on.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::certificates::Authority;
use super::soon;
use crate::replication::network::connection::{
    Io, Limits, Listener, PeerIo, Tcp, Transport, connect_any, incoming, incoming_within,
};
use crate::replication::network::tls::{PeerTls, ServerTls};

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
        connections,
        opening: super::PATIENCE * 2,
    }
}

/// Limits that leave hardly any time.
fn hasty(connections: usize) -> Limits {
    Limits {
        connections,
        opening: Duration::from_millis(50),
    }
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
async fn a_connection_that_has_opened_has_all_the_time() {
    let mut door = Door::new(hasty(1), None);
    let mut near = door.knock_well().await;
    let mut far = door.next().await;
    far.read_exact(&mut [0; PREFACE.len()]).await.expect("read");
    // That nothing happens can only be waited for.
    tokio::time::sleep(hasty(1).opening * 4).await;
    near.write_all(b"late").await.expect("written");
    let mut late = [0; 4];
    soon("what comes late", far.read_exact(&mut late))
        .await
        .expect("read");
    assert_eq!(&late, b"late");
}

#[tokio::test]
async fn beyond_the_limit_new_connections_are_closed() {
    let mut door = Door::new(patient(2), None);
    let _near = [door.knock_well().await, door.knock_well().await];
    let first = door.next().await;
    let _second = door.next().await;
    closed(&mut door.knock_well().await).await;
    closed(&mut door.knock()).await;
    drop(first);
    let _near = door.knock_well().await;
    door.next().await;
    // One that is only opening counts as well.
    let _opening = door.knock();
    closed(&mut door.knock_well().await).await;
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
    garbage.write_all(PREFACE).await.expect("written");
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

#[tokio::test]
async fn real_connections_come_through() {
    let mut listener = Tcp
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    assert_ne!(address.port(), 0);
    // By address and by name, though the name may have other addresses, where nobody listens.
    for host in ["127.0.0.1", "localhost"] {
        let address = format!("{host}:{}", address.port());
        let both = async { tokio::join!(Tcp.connect(&address), listener.accept()) };
        let (near, far) = soon("a connection", both).await;
        let (mut near, (mut far, from)) = (near.expect(host), far.expect(host));
        assert!(from.ip().is_loopback());
        near.write_all(b"ping").await.expect("written");
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"ping");
    }
    let stop = CancellationToken::new();
    let mut incoming = Box::pin(incoming(listener, None, stop.clone()));
    let near = Tcp.connect(&address.to_string()).await;
    near.expect("a connection")
        .write_all(PREFACE)
        .await
        .expect("written");
    let far = soon("a connection", incoming.next()).await;
    far.expect("no end").expect("no error");
    stop.cancel();
    assert!(soon("the end", incoming.next()).await.is_none());
    // The port is free.
    Tcp.listen(address).await.map(drop).expect("a port");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let error = Tcp.listen(address).await.map(drop).expect_err("taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// An address at which nobody listens.
async fn deserted() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

/// A port at which connecting takes for ever, as at one behind a firewall: its queue is full.
struct Stuck {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: VecDeque<TcpStream>,
}

async fn stuck() -> Stuck {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut queued = VecDeque::new();
    for _ in 0..64 {
        let connecting = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), connecting).await {
            Ok(stream) => queued.push_back(stream.expect("a connection")),
            Err(_) => {
                return Stuck {
                    address,
                    _listener: listener,
                    _queued: queued,
                };
            }
        }
    }
    panic!("the queue does not fill");
}

#[tokio::test]
async fn any_address_of_a_name_will_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let good = listener.local_addr().expect("an address");
    let (deserted, stuck) = (deserted().await, stuck().await);
    for addresses in [
        vec![good],
        vec![deserted, good],
        vec![good, deserted],
        vec![stuck.address, good],
        vec![stuck.address, deserted, good],
        vec![deserted, stuck.address, good],
    ] {
        let connected = soon("a connection", connect_any(addresses.into_iter())).await;
        let connected = connected.expect("a connection");
        assert_eq!(connected.peer_addr().expect("an address"), good);
    }
    for (addresses, kind) in [
        (vec![], io::ErrorKind::NotFound),
        (vec![deserted, deserted], io::ErrorKind::ConnectionRefused),
        // Not one more than is sensible.
        (
            [vec![deserted; 8], vec![good]].concat(),
            io::ErrorKind::ConnectionRefused,
        ),
    ] {
        let failed = soon("a failure", connect_any(addresses.into_iter())).await;
        assert_eq!(failed.map(drop).expect_err("nobody").kind(), kind);
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_given_up_soon() {
    let stuck = stuck().await;
    let started = Instant::now();
    let failed = Tcp.connect(&stuck.address.to_string()).await;
    let error = failed.map(drop).expect_err("nobody");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    for address in ["", "nonsense", "127.0.0.1:99999", "127.0.0.1"] {
        Tcp.connect(address).await.map(drop).expect_err(address);
    }
}
