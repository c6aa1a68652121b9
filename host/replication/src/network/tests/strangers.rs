//! Strangers at a whole node's port keep no member out, whatever they do and however often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::port::{Node, token};
use super::{PATIENCE, soon};
use crate::remote::Credentials;

/// Strangers at a time.
const STRANGERS: usize = 1000;

/// How often a member calls meanwhile.
const CALLS: usize = 5;

/// How long a stranger waits for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// What a client of TLS begins with, as far as it goes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// What HTTP/2 begins with, and settings.
const IDLE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Strangers at work, on a thread of their own.
struct Strangers {
    closed: Arc<AtomicU64>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Strangers {
    /// Strangers that connect, say this and wait, again and again until they are stopped.
    fn start(address: String, says: &'static [u8]) -> Self {
        let (closed, stop) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let (count, stopped) = (closed.clone(), stop.clone());
        let annoy = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let all = (0..STRANGERS).map(|_| annoy(&address, says, &count));
                tokio::select! {
                    _ = join_all(all) => {}
                    () = stopped.cancelled() => {}
                }
            });
        };
        Self {
            closed,
            stop,
            thread: thread::spawn(annoy),
        }
    }

    fn end(self) {
        self.stop.cancel();
        self.thread.join().expect("no panic");
    }
}

/// A stranger, which comes again whenever it was closed, and counts that.
async fn annoy(address: &str, says: &[u8], closed: &AtomicU64) {
    loop {
        if let Ok(Ok(mut stream)) = timeout(ANSWER, TcpStream::connect(address)).await {
            stream.write_all(says).await.ok();
            let answer = &mut Vec::new();
            timeout(ANSWER, stream.read_to_end(answer)).await.ok();
            closed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn members_are_heard(credentials: &Credentials, says: &'static [u8]) {
    // A thousand at a time are enough for one machine.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let node = Node::start(credentials).await;
    let strangers = Strangers::start(node.address.clone(), says);
    let many = async {
        while strangers.closed.load(Ordering::Relaxed) < STRANGERS as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("strangers to be closed", many).await;
    for call in 0..CALLS {
        // Each one over a connection of its own. Members and strangers are at one address, and a busy machine may be slow to
        // hear them all.
        let heard = async {
            while let Err(error) = node.ask(credentials).await {
                println!("call {call}: {error}");
            }
        };
        timeout(PATIENCE, heard).await.expect("an answer");
    }
    strangers.end();
    node.end().await;
}

#[tokio::test]
async fn silent_ones() {
    members_are_heard(&token("the-secret-that-all-nodes-know"), b"").await;
}

#[tokio::test]
async fn those_that_begin_a_handshake() {
    members_are_heard(&token("the-secret-that-all-nodes-know"), HALF_A_HELLO).await;
}

#[tokio::test]
async fn those_in_clear_at_a_port_with_tls() {
    members_are_heard(&token("the-secret-that-all-nodes-know"), IDLE).await;
}

#[tokio::test]
async fn those_that_make_no_call_at_a_port_in_clear() {
    members_are_heard(&Credentials::default(), IDLE).await;
}
