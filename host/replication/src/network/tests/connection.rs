//! How connections are made.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::soon;
use crate::network::connection::{Tcp, Transport, connect_any};
use crate::network::incoming::incoming;

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
