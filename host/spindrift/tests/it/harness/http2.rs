//! HTTP/2 with the client's windows in the hands of the test.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Method, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::wait::within;

/// A connection on which each stream begins with a window of the test's choice. It answers PINGs, and reads its socket.
pub struct Http2Connection {
    requests: SendRequest<Bytes>,
    authority: String,
}

/// A stream whose request was sent.
pub struct Http2Stream {
    response: ResponseFuture,
}

impl Http2Connection {
    /// Opens one.
    pub async fn open(address: SocketAddr, window_bytes: u32) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        Self::over(
            stream.expect("a connection"),
            address.to_string(),
            window_bytes,
        )
        .await
    }

    /// Speaks HTTP/2 over a stream that is open already.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        authority: String,
        window_bytes: u32,
    ) -> Self {
        let mut builder = Builder::new();
        builder
            .initial_window_size(window_bytes)
            .initial_connection_window_size(1 << 30);
        let handshake = builder.handshake(stream);
        let (requests, connection) = within("HTTP/2", handshake).await.expect("HTTP/2");
        tokio::spawn(connection);
        Http2Connection {
            requests,
            authority,
        }
    }

    /// Sends a request, as soon as the host allows another stream.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn request(&mut self, method: Method, path: &str, body: &Bytes) -> Http2Stream {
        let ready = self.requests.clone().ready();
        let mut requests = within("room for a stream", ready).await.expect("room");
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.authority))
            .body(())
            .expect("a request");
        let sent = requests.send_request(request, body.is_empty());
        let (response, mut stream) = sent.expect("a stream");
        if !body.is_empty() {
            stream.send_data(body.clone(), true).expect("a body");
        }
        Http2Stream { response }
    }
}

impl Http2Stream {
    /// The status of the answer, and its body, which `read` reads.
    ///
    /// # Errors
    ///
    /// Why there is no head.
    pub async fn head(self) -> Result<(StatusCode, RecvStream), h2::Error> {
        let response = within("the head of an answer", self.response).await?;
        Ok((response.status(), response.into_body()))
    }

    /// Leaves the answer unread until the host resets the stream, and says whether it did so.
    pub async fn until_reset(self) -> bool {
        let Ok((_, mut body)) = self.head().await else {
            return true;
        };
        loop {
            // Without giving back what was read, the window stays closed.
            match within("the end of a stream", body.data()).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.is_reset(),
                None => return false,
            }
        }
    }
}
