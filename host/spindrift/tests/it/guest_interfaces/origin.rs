//! A small HTTP server on the loopback address, for guests to send requests to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{eventually, within};

/// Answers every request with `origin` and the path asked for, and remembers it. It stops when the test's runtime does.
///
/// Some paths are special: `/teapot` has the status 418, `/bytes/N` a body of `N` bytes, `/part` a body of which the first
/// bytes come and then nothing more, `/cut` one that ends early, `/hop` headers that are for the connection alone, `/early` an
/// answer before the body of its request, which is read after that.
pub struct Origin {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// The other ends of the connections so far.
    accepted: Arc<Mutex<Vec<SocketAddr>>>,
    /// How many of them the origin made itself.
    own: Mutex<usize>,
}

impl Origin {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = Origin {
            address: listener.local_addr().expect("the port"),
            heads: Arc::default(),
            accepted: Arc::default(),
            own: Mutex::default(),
        };
        let (heads, accepted) = (origin.heads.clone(), origin.accepted.clone());
        tokio::spawn(async move {
            while let Ok((connection, client)) = listener.accept().await {
                let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
                accepted.push(client);
                drop(accepted);
                tokio::spawn(serve(connection, heads.clone()));
            }
        });
        origin
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:port`
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:port/path`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections there have been, those included that are not accepted yet.
    pub async fn connections(&self) -> usize {
        let accepted = || {
            let accepted = self.accepted.lock();
            accepted.unwrap_or_else(PoisonError::into_inner).clone()
        };
        // Connections are accepted in their order: once this one is, every earlier one is too.
        let own = within("a connection", TcpStream::connect(self.address)).await;
        let own = own.and_then(|own| own.local_addr()).expect("a connection");
        eventually("the connection is accepted", || {
            let done = accepted().contains(&own).then_some(());
            async move { done }
        })
        .await;
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        *own += 1;
        accepted().len() - *own
    }
}

/// One request, one answer.
async fn serve(mut connection: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        match connection.read_buf(&mut received).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&received).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    if path == "/part" || path == "/cut" {
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nx-origin: part\r\n\r\nsome";
        let _ = connection.write_all(part).await;
        if path == "/part" {
            // Until the other side hangs up.
            let _ = connection.read_buf(&mut received).await;
        }
        return;
    }
    let early = path == "/early";
    let headers = if path == "/hop" {
        "connection: X-Hop, close\r\nx-hop: 1\r\nx-end: 2\r\n"
    } else {
        "connection: close\r\n"
    };
    let status = if path.starts_with("/teapot") {
        "418 I'm a teapot"
    } else {
        "200 OK"
    };
    let body = match path.strip_prefix("/bytes/").map(str::parse) {
        Some(Ok(length)) => "b".repeat(length),
        _ => format!("origin {path}"),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    // A guest that hangs up is no fault of the origin's.
    let _ = connection.write_all(answer.as_bytes()).await;
    if early {
        // To close it on unread bytes would reset it, and the answer might be lost.
        let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
    }
}
