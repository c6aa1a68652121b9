//! Reads the files for TLS between nodes, and refuses those that others would refuse.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

use super::chain::Bounded;
use crate::network::stamp::Stamp;
use crate::options::PeerTlsFiles;

/// The protocol above TLS.
const ALPN: &[u8] = b"h2";

/// Certificates that a node may show between its own and the authority's.
const MAX_BETWEEN: usize = 4;

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

/// What tells whether one of the files has changed.
pub(super) fn stamps(files: &PeerTlsFiles) -> [Stamp; 3] {
    [&files.cert, &files.key, &files.ca].map(|file| Stamp::of(file))
}

/// Reads the files, for the side that connects and the side that accepts.
///
/// # Errors
///
/// A file is missing or is no PEM, the key is not that of the certificate, or the certificate is one that other nodes would
/// refuse: the authority has not signed it, it has expired, or it is not for servers and clients both.
pub(super) fn read(files: &PeerTlsFiles) -> Result<(ClientConfig, ServerConfig), TlsError> {
    let chain = certificates("--peer-tls-cert", "a certificate", &files.cert)?;
    let key = private_key(&files.key)?;
    let roots = Arc::new(authorities(&files.ca)?);
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| TlsError::Unavailable(error.to_string()))?;
    let verifier = Arc::new(Bounded::new(verifier, MAX_BETWEEN));
    let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
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
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Bounded::new(servers, MAX_BETWEEN)))
        .with_client_auth_cert(chain.clone(), key)
        .map_err(unusable)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    check_own(&chain, &*verifier, &roots, &provider).map_err(|reason| TlsError::Refused {
        cert: files.cert.clone(),
        ca: files.ca.clone(),
        reason,
    })?;
    Ok((client, server))
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
