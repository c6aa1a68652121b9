//! Garbage on the port of the nodes costs nothing but the connection that it came on.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::acknowledged::Acknowledged;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, on_network};
use crate::nodes::settings::Settings;

/// What an HTTP/2 client begins with, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Connections that say nothing, at once.
const SILENT: usize = 200;
/// How long a node has to say something to what makes no sense, before the test goes on.
const ANSWER: Duration = Duration::from_millis(200);

/// Sends `bytes`, and reads what comes for a moment. A node that closes the connection is right.
async fn send(address: SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        panic!("the port is open");
    };
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(ANSWER, stream.read_to_end(&mut answer)).await;
}

/// Bytes that are more or less like what nodes say to each other.
fn garbage(random: &mut StdRng) -> Vec<u8> {
    let mut noise = vec![0; random.random_range(0..2000)];
    random.fill_bytes(&mut noise);
    match random.random_range(0..5) {
        0 => noise,
        1 => [PREFACE, &noise].concat(),
        2 => [&PREFACE[..random.random_range(0..PREFACE.len())], &noise].concat(),
        3 => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        _ => {
            // A frame of HTTP/2 whose head makes sense.
            let kind = random.random_range(0..12);
            let length = u32::try_from(noise.len()).unwrap_or(0).to_be_bytes();
            let head = [&length[1..], &[kind, random.random(), 0, 0, 0, 1]].concat();
            [PREFACE, &head, &noise].concat()
        }
    }
}

#[test]
fn garbage_costs_a_connection() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 3, Settings::default()).await;
        let mut written = Acknowledged::default();
        written.put(10, &mut cluster).await;
        let leader = cluster.leader().await;
        let term = cluster.view(leader).await.expect("a view").term;
        let address = cluster[leader].addresses.peer;

        let mut silent = Vec::new();
        for _ in 0..SILENT {
            silent.extend(TcpStream::connect(address).await);
        }
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            send(address, &garbage(&mut random)).await;
        }
        written.put(10, &mut cluster).await;
        cluster.agreed().await;
        let view = cluster.view(leader).await.expect("a view");
        assert_eq!((view.term, view.leads()), (term, true), "nobody noticed");
        written.all_everywhere(&mut cluster).await;
        let log = cluster[leader].log();
        assert!(!log.contains("panicked"), "{log}");
        drop(silent);
    });
}
