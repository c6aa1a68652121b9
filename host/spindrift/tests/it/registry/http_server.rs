//! An HTTP server of a test's own, with TLS or without, on a thread of its own: tests wait for processes on theirs.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server on a free port of the loopback address. It ends when this is dropped.
pub struct HttpServer {
    port: u16,
    runtime: Option<Runtime>,
}

impl HttpServer {
    /// One that listens and answers nothing yet.
    pub fn bind() -> (Self, TcpListener) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("the port").port();
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener).expect("a listener");
        drop(entered);
        let runtime = Some(runtime);
        (Self { port, runtime }, listener)
    }

    /// Answers with `routes`.
    pub fn serve(&self, listener: TcpListener, routes: Router) {
        self.spawn(async { axum::serve(listener, routes).await });
    }

    /// Answers with `routes`, over TLS.
    pub fn serve_tls(
        &self,
        listener: TcpListener,
        routes: Router,
        certified: &CertifiedKey<KeyPair>,
    ) {
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key.into())
            .expect("a certificate with its key");
        let listener = Tls(listener, TlsAcceptor::from(Arc::new(config)));
        self.spawn(async { axum::serve(listener, routes).await });
    }

    fn spawn(&self, serving: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        let runtime = self.runtime.as_ref().expect("it is there until the end");
        runtime.spawn(serving);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A certificate for the loopback address and its name, and the key.
pub fn certificate() -> CertifiedKey<KeyPair> {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    generate_simple_self_signed(names).expect("a certificate")
}

struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (connection, client) = Listener::accept(&mut self.0).await;
            // A client that trusts nobody hangs up.
            if let Ok(stream) = self.1.accept(connection).await {
                return (stream, client);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
