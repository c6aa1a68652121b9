//! Bare TCP connections, for what no HTTP client would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::within;

/// Between two pieces of what a slow client sends.
const PIECE_PAUSE: Duration = Duration::from_millis(50);

/// A connection that sends and receives bytes as they are.
pub struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl RawConnection {
    /// Connects to `address`.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("a socket without delay");
        RawConnection {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends `bytes`; a host that has closed the connection makes no difference.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("bytes are sent", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends `bytes` again and again, and reads nothing, until the host has closed the connection.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn send_until_closed(&mut self, bytes: &[u8]) {
        let sent = async {
            loop {
                if self.stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
        };
        within("the end of a connection that is not read", sent).await;
    }

    /// Tells the host that nothing more will come.
    pub async fn finish_sending(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// As [`RawConnection::read_to_end`], and goes on to send what `more` gives meanwhile, piece by piece.
    pub async fn read_to_end_while_sending(
        &mut self,
        mut more: impl AsyncFnMut() -> String,
    ) -> String {
        within("the end of the connection", async {
            loop {
                let (mut reader, mut writer) = self.stream.split();
                let piece = more().await;
                let sent = writer.write_all(piece.as_bytes()).await;
                let read = reader.read_buf(&mut self.received);
                match tokio::time::timeout(PIECE_PAUSE, read).await {
                    Ok(Ok(1..)) => {}
                    Ok(_) => break,
                    Err(_) if sent.is_err() => break,
                    Err(_) => {}
                }
            }
        })
        .await;
        self.take(self.received.len())
    }

    /// Waits until something came that was not read before, or the connection has ended.
    pub async fn wait_for_some(&mut self) {
        self.receive().await;
    }

    /// Everything until the host closes the connection, as text.
    pub async fn read_to_end(&mut self) -> String {
        while self.receive().await {}
        self.take(self.received.len())
    }

    /// One response with a `content-length`, as text.
    ///
    /// # Panics
    ///
    /// If the connection ends before it is whole.
    pub async fn read_response(&mut self) -> String {
        loop {
            if let Some(length) = whole_response(&self.received) {
                return self.take(length);
            }
            assert!(
                self.receive().await,
                "the connection ended in a response: {:?}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    /// Whether more came. An end by a reset is an end.
    async fn receive(&mut self) -> bool {
        let read = within(
            "bytes of an answer",
            self.stream.read_buf(&mut self.received),
        )
        .await;
        read.is_ok_and(|read| read > 0)
    }

    fn take(&mut self, length: usize) -> String {
        let taken: Vec<u8> = self.received.drain(..length).collect();
        String::from_utf8_lossy(&taken).into_owned()
    }
}

/// The length of the response that `received` begins with, if it is all there.
fn whole_response(received: &[u8]) -> Option<usize> {
    let head = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?
        + 4;
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("content-length:")?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    (received.len() >= head + length).then_some(head + length)
}
