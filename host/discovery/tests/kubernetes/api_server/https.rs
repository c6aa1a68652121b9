//! The listener of an [`ApiServer`], its certificates, and the service account of a pod.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answering::answer;
use super::server::{ApiServer, NAMESPACE, Shared, TOKEN};

/// Serves an API server over HTTPS until it is dropped.
pub struct Served {
    address: SocketAddr,
    authority: String,
    _listening: JoinSet<Infallible>,
}

impl ApiServer {
    /// Serves it over HTTPS on a free port of an address of this machine.
    ///
    /// # Panics
    ///
    /// If there is no such port, or no certificate can be made.
    pub async fn serve(&self, at: &str) -> Served {
        let listener = TcpListener::bind((at, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (authority, acceptor) = certified(at);
        let mut listening = JoinSet::new();
        listening.spawn(listen(self.shared.clone(), listener, acceptor));
        Served {
            address,
            authority,
            _listening: listening,
        }
    }
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes the files of a pod's service account into a folder.
    ///
    /// # Panics
    ///
    /// If they cannot be written.
    pub fn write_service_account(&self, folder: &Path) {
        let files = [
            ("token", TOKEN),
            ("ca.crt", &self.authority),
            ("namespace", NAMESPACE),
        ];
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("a file");
        }
    }
}

async fn listen(shared: Arc<Shared>, listener: TcpListener, acceptor: TlsAcceptor) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((connection, _)) = listener.accept().await {
            connections.spawn(serve(shared.clone(), connection, acceptor.clone()));
        }
    }
}

async fn serve(shared: Arc<Shared>, connection: TcpStream, acceptor: TlsAcceptor) {
    if shared.faults.lock().away {
        return;
    }
    let Ok(connection) = acceptor.accept(connection).await else {
        return;
    };
    // An error of the service ends the connection without an answer, which is what it is for.
    let service = service_fn(move |request: http::Request<Incoming>| {
        answer(shared.clone(), request.map(Body::new))
    });
    let io = TokioIo::new(connection);
    http1::Builder::new()
        .serve_connection(io, service)
        .await
        .ok();
}

/// The certificate of a new authority, in PEM form, and what serves with one of its certificates.
fn certified(at: &str) -> (String, TlsAcceptor) {
    let key = || KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    let own = key();
    let params = CertificateParams::new(vec![at.to_owned()]).expect("a name");
    let certificate = params.signed_by(&own, &authority).expect("a certificate");
    let chain = CertificateDer::from_pem_slice(certificate.pem().as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(own.serialize_pem().as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a certificate that fits its key");
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}
