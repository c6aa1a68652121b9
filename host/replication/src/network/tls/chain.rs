//! [`Bounded`]: how many certificates another process may show between its own and the authority's.
//!
//! A stranger shows its certificates before it has proved anything. With some ten of them that name each other it makes the
//! search for a path to the authority take hundreds of thousands of signature checks, and this search runs on the thread that
//! sends heartbeats. So longer chains are refused before the search begins.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

/// A verifier of certificates that looks at no more than a number of certificates in between.
pub(super) struct Bounded<V: ?Sized> {
    verifier: Arc<V>,
    most: usize,
}

/// There are too many certificates in between.
#[derive(thiserror::Error)]
#[error(
    "it shows {shown} certificates between its own and the authority's, and no more than {most} are looked at"
)]
struct TooMany {
    shown: usize,
    most: usize,
}

impl fmt::Debug for TooMany {
    /// The words: rustls shows errors that are not its own in this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<V: ?Sized> Bounded<V> {
    /// Refuses chains with more than `most` certificates between the first and the authority's, and leaves the others to
    /// `verifier`.
    pub fn new(verifier: Arc<V>, most: usize) -> Self {
        Self { verifier, most }
    }

    fn check(&self, between: &[CertificateDer<'_>]) -> Result<(), Error> {
        let (shown, most) = (between.len(), self.most);
        if shown <= most {
            return Ok(());
        }
        let reason = OtherError(Arc::new(TooMany { shown, most }));
        Err(CertificateError::Other(reason).into())
    }
}

impl<V: ?Sized> fmt::Debug for Bounded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("most", &self.most).finish()
    }
}

impl<V: ClientCertVerifier + ?Sized> ClientCertVerifier for Bounded<V> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(between)?;
        self.verifier.verify_client_cert(own, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl<V: ServerCertVerifier + ?Sized> ServerCertVerifier for Bounded<V> {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(between)?;
        self.verifier
            .verify_server_cert(own, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
