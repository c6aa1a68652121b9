//! Mutual TLS between nodes: each shows a certificate that the cluster's authority has signed, and wants one.
//!
//! A certificate has to name, as a DNS name or an IP address in its subject alternative names, the host under which other
//! nodes reach its node; and where it limits what it is good for (extended key usage), to servers and clients both. The
//! files are read once, at the start: a node takes up a new certificate when it starts again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::Io;
use crate::replication::options::PeerTlsFiles;

/// The protocol above TLS.
const ALPN: &[u8] = b"h2";

/// Why the files for TLS are no use.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or not what it should be.
    #[error("{what} cannot be read from {}: {reason}", file.display())]
    File {
        /// What it should have.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// They do not go together.
    #[error("--peer-tls-cert, --peer-tls-key and --peer-tls-ca cannot be used together: {0}")]
    Unusable(String),
}

/// Both sides of TLS.
#[derive(Clone)]
pub struct PeerTls {
    connector: TlsConnector,
    server: ServerTls,
}

/// The side that accepts connections.
#[derive(Clone)]
pub struct ServerTls(TlsAcceptor);

impl PeerTls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file is missing or is no PEM, or the key is not that of the certificate.
    pub fn load(files: &PeerTlsFiles) -> Result<Self, TlsError> {
        let chain = certificates(&files.cert, "a certificate")?;
        let authorities = certificates(&files.ca, "the certificate of an authority")?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unreadable(&files.key, "a private key", &error))?;
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| unusable(&error))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| unusable(&error))?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&error))?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            server: ServerTls(TlsAcceptor::from(Arc::new(server))),
        })
    }

    /// Encrypts a connection that was made to `host`.
    ///
    /// # Errors
    ///
    /// The other side's certificate is not signed by the authority, or not for `host`; or it does not accept ours.
    pub async fn client(&self, host: &str, io: Io) -> io::Result<Io> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}"))
        })?;
        let io = self.connector.connect(name, io).await?;
        Ok(Box::new(io))
    }

    /// The side that accepts connections.
    #[must_use]
    pub fn server(&self) -> ServerTls {
        self.server.clone()
    }
}

impl ServerTls {
    /// Encrypts a connection that was accepted.
    ///
    /// # Errors
    ///
    /// What came is no TLS, or has no certificate that the authority has signed.
    pub async fn accept(&self, io: Io) -> io::Result<Io> {
        Ok(Box::new(self.0.accept(io).await?))
    }
}

fn certificates(file: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unreadable(file, what, &error))?;
    if certificates.is_empty() {
        return Err(unreadable(file, what, &"there is none in it"));
    }
    Ok(certificates)
}

fn unreadable(file: &Path, what: &'static str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        what,
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

fn unusable(error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unusable(error.to_string())
}
