//! Certificates for HTTPS.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// The files of `--tls-cert` and `--tls-key`.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, in PEM.
    pub cert: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// Why HTTPS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate file is not one.
    #[error("--tls-cert {path:?}: {reason}; it must hold a certificate chain in PEM form")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: pem::Error,
    },
    /// The key file is not one.
    #[error("--tls-key {path:?}: {reason}; it must hold one private key in PEM form")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: pem::Error,
    },
    /// The two do not fit.
    #[error("the certificate and its key cannot be used: {0}")]
    Config(rustls::Error),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Config(error)
    }
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or used, naming it.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let certificate = |reason| TlsError::Certificate {
            path: self.cert.clone(),
            reason,
        };
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .map_err(certificate)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(certificate)?;
        if chain.is_empty() {
            return Err(certificate(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|reason| TlsError::Key {
            path: self.key.clone(),
            reason,
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
