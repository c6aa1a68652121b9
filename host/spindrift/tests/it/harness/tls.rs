//! TLS between a test and its host.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::app::App;
use super::wait::within;

/// A certificate for `localhost`, and its key.
pub fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

/// The application with `cert.pem` and `key.pem` beside it, and the flags that name them.
pub fn with_certificate(app: App, certificate: &str, key: &str) -> (App, [String; 4]) {
    let app = app.file("cert.pem", certificate).file("key.pem", key);
    let file = |name| app.path().join(name).to_string_lossy().into_owned();
    let [cert, key] = ["cert.pem", "key.pem"].map(file);
    (app, ["--tls-cert".into(), cert, "--tls-key".into(), key])
}

/// A session that trusts the certificate and offers these protocols.
///
/// # Errors
///
/// Why there is none.
pub async fn tls_session(
    address: SocketAddr,
    certified: &CertifiedKey<KeyPair>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certified.cert.der().clone())
        .expect("a certificate to trust");
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let stream = within("a connection", TcpStream::connect(address)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    within(
        "a TLS session",
        TlsConnector::from(Arc::new(config)).connect(name, stream),
    )
    .await
}
