//! Mutual TLS between nodes: each shows a certificate that the cluster's authority has signed, and wants one.
//!
//! A certificate has to name, as a DNS name or an IP address in its subject alternative names, the host under which other
//! nodes reach its node; and where it limits what it is good for (extended key usage), to servers and clients both. The
//! files are read once, at the start: a node takes up a new certificate when it starts again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::Io;
use crate::replication::options::PeerTlsFiles;

/// The protocol above TLS.
const ALPN: &[u8] = b"h2";

/// How long the other side may take for a handshake that this side has begun.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the other side of a handshake that has failed may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// The most that it may still send meanwhile, in bytes.
const MAX_LINGER_BYTES: u64 = 64 << 10;

/// Why the files for TLS are no use.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or not what it should be.
    #[error("{option} {}: {what} cannot be read from it: {reason}", file.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// What it should have.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// They do not go together.
    #[error(
        "--peer-tls-cert {} and --peer-tls-key {} cannot be used together: {reason}", cert.display(), key.display()
    )]
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of its key.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// Other nodes would refuse the certificate.
    #[error(
        "--peer-tls-cert {} does not prove to others, by --peer-tls-ca {}, who this node is: {reason}", cert.display(),
        ca.display()
    )]
    Refused {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the authorities.
        ca: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// TLS cannot be set up, whatever the files.
    #[error("TLS between nodes cannot be set up: {0}")]
    Unavailable(String),
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
    /// A file is missing or is no PEM, the key is not that of the certificate, or the certificate is one that other nodes
    /// would refuse: the authority has not signed it, it has expired, or it is not for servers and clients both.
    pub fn load(files: &PeerTlsFiles) -> Result<Self, TlsError> {
        let chain = certificates("--peer-tls-cert", "a certificate", &files.cert)?;
        let key = private_key(&files.key)?;
        let roots = Arc::new(authorities(&files.ca)?);
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| TlsError::Unavailable(error.to_string()))?;
        let unavailable = |error: rustls::Error| TlsError::Unavailable(error.to_string());
        let unusable = |reason| TlsError::Unusable {
            cert: files.cert.clone(),
            key: files.key.clone(),
            reason,
        };
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unavailable)?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unusable)?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unavailable)?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key)
            .map_err(unusable)?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        check_own(&chain, &*verifier, &roots, &provider).map_err(|reason| TlsError::Refused {
            cert: files.cert.clone(),
            ca: files.ca.clone(),
            reason,
        })?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            server: ServerTls(TlsAcceptor::from(Arc::new(server))),
        })
    }

    /// Encrypts a connection that was made to `host`, a name or an IP address.
    ///
    /// # Errors
    ///
    /// The other side's certificate is not signed by the authority, or not for `host`; or it does not answer in time.
    /// Whether it accepts our certificate is known only when the connection is read.
    pub async fn client(&self, host: &str, io: Io) -> io::Result<Io> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}"))
        })?;
        // A connection that is cut now would not be found dead for minutes: nothing above it watches it yet.
        let connected = timeout(HANDSHAKE_TIMEOUT, self.connector.connect(name, io)).await;
        let io = connected.map_err(|_| {
            let reason = format!("no TLS handshake within {HANDSHAKE_TIMEOUT:?}");
            io::Error::new(io::ErrorKind::TimedOut, reason)
        })??;
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
        match self.0.accept(io).into_fallible().await {
            Ok(io) => Ok(Box::new(io)),
            Err((error, io)) => {
                timeout(LINGER, drain(io)).await.ok();
                Err(error)
            }
        }
    }
}

/// Says that no more comes, and reads what the other side has sent before it knew that it is refused. Where a connection is
/// closed with something unread, TCP takes back what was written, and here that is why it is refused.
async fn drain(mut io: Io) {
    if io.shutdown().await.is_ok() {
        let rest = &mut io.take(MAX_LINGER_BYTES);
        tokio::io::copy(rest, &mut tokio::io::sink()).await.ok();
    }
}

/// Checks a node's own certificate as others will, so that it is not they who find out.
fn check_own(
    chain: &[CertificateDer<'_>],
    verifier: &dyn ClientCertVerifier,
    roots: &RootCertStore,
    provider: &CryptoProvider,
) -> Result<(), rustls::Error> {
    let Some((own, between)) = chain.split_first() else {
        return Err(rustls::Error::NoCertificatesPresented);
    };
    let now = UnixTime::now();
    verifier.verify_client_cert(own, between, now)?;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(own)?,
        roots,
        between,
        now,
        provider.signature_verification_algorithms.all,
    )
}

fn certificates(
    option: &'static str,
    what: &'static str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| unreadable(option, what, file, error);
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unreadable(reason(error)))?;
    if certificates.is_empty() {
        return Err(unreadable(reason(pem::Error::NoItemsFound)));
    }
    Ok(certificates)
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let (option, what) = ("--peer-tls-ca", "the certificate of an authority");
    let mut roots = RootCertStore::empty();
    for authority in certificates(option, what, file)? {
        let added = roots.add(authority);
        added.map_err(|error| unreadable(option, what, file, error.to_string()))?;
    }
    Ok(roots)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let read = PrivateKeyDer::from_pem_file(file);
    read.map_err(|error| unreadable("--peer-tls-key", "a private key", file, reason(error)))
}

fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it, in PEM form".into(),
        error => format!("it is no PEM: {error}"),
    }
}

fn unreadable(option: &'static str, what: &'static str, file: &Path, reason: String) -> TlsError {
    TlsError::File {
        option,
        what,
        file: file.to_owned(),
        reason,
    }
}
