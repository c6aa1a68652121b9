//! [`Distrust`]: why a TLS handshake has failed, in words of this project's own.
//!
//! TLS tells each side with an alert what the other one has against it. What it means here depends on what both prove
//! themselves with, so it is said here.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};
use thiserror::Error as ThisError;

/// What to do about tokens that differ.
const SAME_TOKEN: &str = "give all nodes the same one with --cluster-token-file, or cluster_token in the runtime configuration";

/// One of the two sides of a connection does not prove to the other that it belongs to its cluster.
#[derive(Clone, Debug, ThisError)]
#[error("{0}")]
pub struct Distrust(pub String);

impl Distrust {
    /// What an error says of it, if it is one of these.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Distrust> for io::Error {
    fn from(distrust: Distrust) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, distrust)
    }
}

/// The other side has closed the connection in the TLS handshake, and has not said why. So a process is there, and nothing is
/// known of it.
#[derive(Clone, Copy, Debug, ThisError)]
#[error(
    "it has closed the connection in the TLS handshake: it may be about to end, or be of a version of spindrift that sends the \
     cluster token in clear"
)]
pub struct Cut;

impl Cut {
    /// Whether this is what an error says.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// What a process proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The cluster token.
    Token,
    /// A certificate from a file.
    Certificate,
}

impl Proof {
    /// Says why a connection that this process has made has come to nothing.
    pub fn explain_call(self, error: io::Error) -> io::Error {
        match reason_of(&error).and_then(|reason| self.call_failed(reason)) {
            Some(words) => Distrust(words).into(),
            None if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ) =>
            {
                io::Error::new(error.kind(), Cut)
            }
            None => error,
        }
    }

    /// Says why a connection that this process has accepted has come to nothing.
    pub fn explain_answer(self, error: io::Error) -> io::Error {
        match reason_of(&error).and_then(|reason| self.answer_failed(reason)) {
            Some(words) => Distrust(words).into(),
            None => error,
        }
    }

    fn call_failed(self, reason: &Error) -> Option<String> {
        use AlertDescription as Alert;
        let words = match (self, reason) {
            (_, Error::AlertReceived(NO_TLS)) => format!(
                "it speaks no TLS, so it has neither a cluster token nor certificates, and this process has {}; {}",
                self.noun(),
                self.remedy()
            ),
            (
                Self::Token,
                Error::AlertReceived(Alert::NoApplicationProtocol)
                | Error::NoApplicationProtocol
                | Error::InvalidCertificate(CertificateError::UnknownIssuer),
            ) => format!(
                "it does not prove itself with a cluster token: where it is a node, it has a certificate of --peer-tls-cert, \
                 and this process has none; {SAME_TOKEN}"
            ),
            (Self::Token, Error::InvalidCertificate(_)) => {
                format!("its cluster token is another one than that of this process; {SAME_TOKEN}")
            }
            (Self::Token, Error::AlertReceived(alert)) if is_about_certificates(*alert) => {
                format!("it does not trust the cluster token of this process, and has another one; {SAME_TOKEN}")
            }
            (Self::Token, Error::InvalidMessage(_)) => {
                "the process there does not speak TLS, so it is no node, or one without a cluster token".to_owned()
            }
            (Self::Certificate, Error::AlertReceived(Alert::NoApplicationProtocol)) => format!(
                "it proves itself with a cluster token, and this process with a certificate; {}",
                self.remedy()
            ),
            (Self::Certificate, Error::InvalidCertificate(_)) => reason.to_string(),
            _ => return None,
        };
        Some(words)
    }

    fn answer_failed(self, reason: &Error) -> Option<String> {
        let words = match (self, reason) {
            (Self::Token, Error::NoApplicationProtocol) => format!(
                "it does not prove itself with a cluster token: where it is a node, it has a certificate of --peer-tls-cert, \
                 and this node has none; {SAME_TOKEN}"
            ),
            (Self::Token, Error::NoCertificatesPresented) => {
                "it shows no certificate, so it does not know the cluster token".to_owned()
            }
            (Self::Token, Error::InvalidCertificate(CertificateError::Other(reason))) => {
                reason.to_string()
            }
            (Self::Token, Error::InvalidCertificate(_)) => {
                format!("its cluster token is another one than that of this node; {SAME_TOKEN}")
            }
            (Self::Token, Error::AlertReceived(alert)) if is_about_certificates(*alert) => {
                format!(
                    "it does not trust the cluster token of this node, and has another one; {SAME_TOKEN}"
                )
            }
            (Self::Certificate, Error::NoApplicationProtocol) => format!(
                "it does not prove itself with a certificate of --peer-tls-cert, as this node does: where it is a node, it has \
                 a cluster token alone; {}",
                self.remedy()
            ),
            (Self::Certificate, Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => {
                reason.to_string()
            }
            (Self::Certificate, Error::AlertReceived(alert)) if is_about_certificates(*alert) => {
                format!("it does not trust the certificate of this node ({alert:?})")
            }
            _ => return None,
        };
        Some(words)
    }

    /// What is said to those who call in clear.
    pub fn wanted(self) -> String {
        match self {
            Self::Token => format!(
                "the cluster token is missing: this node has one and speaks TLS, and the call came in clear, from a process that \
                 has none or is of a version of spindrift that sends it in clear; {SAME_TOKEN}, and run the same version"
            ),
            Self::Certificate => format!(
                "this node proves itself with a certificate and speaks TLS, and the call came in clear; {}",
                self.remedy()
            ),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Token => "a cluster token",
            Self::Certificate => "a certificate",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Token => SAME_TOKEN,
            Self::Certificate => {
                "give all nodes certificates of one authority with --peer-tls-cert, --peer-tls-key and --peer-tls-ca"
            }
        }
    }
}

/// What a node without TLS answers to those who speak it.
const NO_TLS: AlertDescription = AlertDescription::ProtocolVersion;

/// The same as it is sent, a record of TLS with a fatal alert (RFC 8446, sections 5.1 and 6).
pub const NO_TLS_ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 70];

/// What to write in the log of a node without TLS about those who speak it.
pub fn needless() -> Distrust {
    Distrust(format!(
        "it speaks TLS, so it has a cluster token or certificates, and this node has neither; {SAME_TOKEN}"
    ))
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::DecryptError
            | Alert::AccessDenied
    )
}

fn reason_of(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
