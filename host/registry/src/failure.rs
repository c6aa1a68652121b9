//! What a failed request means: from the errors of the HTTP client, and from statuses, to a [`RegistryError`] that says
//! what to do.

use std::error::Error;

use oci_client::RegistryOperation;
use oci_client::errors::{OciDistributionError, OciErrorCode};

use super::cause::Cause;
use super::credentials::Credentials;
use super::{Reference, RegistryError};

/// How much of what a registry says about a failure is repeated, in characters.
const SAID: usize = 300;

/// What was tried, so that a failure can be put in its words.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    reference: Reference,
    operation: RegistryOperation,
    insecure: bool,
    /// Who asked, if that is known to the registry.
    user: Option<String>,
}

impl Attempt {
    /// `credentials` are those that the registry is asked with.
    pub(crate) fn new(
        reference: &Reference,
        operation: RegistryOperation,
        insecure: bool,
        credentials: &Credentials,
    ) -> Self {
        let user = match credentials {
            Credentials::Password { user, .. } => Some(format!("the user {user:?}")),
            Credentials::IdentityToken(_) => Some("the owner of the identity token".to_owned()),
            Credentials::None => None,
        };
        Self {
            reference: reference.clone(),
            operation,
            insecure,
            user,
        }
    }

    /// What was asked for.
    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }

    /// What for.
    pub(crate) fn operation(&self) -> RegistryOperation {
        self.operation
    }

    /// Whether it was spoken to without TLS.
    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }

    fn action(&self) -> &'static str {
        match self.operation {
            RegistryOperation::Pull => "pull",
            RegistryOperation::Push => "push",
        }
    }

    fn names(&self) -> (String, String) {
        (
            self.reference.to_string(),
            self.reference.registry().to_owned(),
        )
    }

    /// A failure of the client's, before there was an answer or while it came.
    pub(crate) fn request_failed(&self, error: &(dyn Error + 'static)) -> RegistryError {
        let (reference, registry) = self.names();
        match Cause::of(error) {
            Cause::NoTls => RegistryError::PlainHttp {
                reference,
                registry,
            },
            Cause::NoHttp(_) if self.insecure => RegistryError::Tls {
                reference,
                registry,
            },
            Cause::Certificate(reason) => RegistryError::Certificate {
                reference,
                registry,
                reason,
            },
            Cause::UnknownHost(reason) => RegistryError::UnknownHost {
                reference,
                registry,
                reason,
            },
            Cause::NothingListens(reason) => RegistryError::Unreachable {
                reference,
                registry,
                reason,
                hint: ". Nothing listens there: check the name and the port, and that the registry runs",
            },
            Cause::NoHttp(reason) | Cause::Other(reason) => RegistryError::Unreachable {
                reference,
                registry,
                reason,
                hint: "",
            },
        }
    }

    /// As [`Attempt::request_failed`], for the token service at `realm`.
    pub(crate) fn token_request_failed(
        &self,
        realm: &str,
        error: &(dyn Error + 'static),
    ) -> RegistryError {
        let fault = match Cause::of(error) {
            Cause::NoTls => "does not speak TLS, although its address says so".to_owned(),
            Cause::Certificate(reason) => format!(
                "has a certificate that is not trusted ({reason}). For an authority of your own, name the file with its \
                 certificate (PEM) in SSL_CERT_FILE"
            ),
            Cause::NothingListens(reason) => {
                format!("cannot be reached: {reason}. Nothing listens there: check that it runs")
            }
            Cause::NoHttp(reason) | Cause::UnknownHost(reason) | Cause::Other(reason) => {
                format!("cannot be reached: {reason}")
            }
        };
        self.token_service(realm, &fault)
    }

    /// An answer of the token service at `realm` that is no success, with the beginning of its body.
    pub(crate) fn token_refused(
        &self,
        realm: &str,
        status: u16,
        body: &str,
        credentials: &Credentials,
    ) -> RegistryError {
        let (reference, registry) = self.names();
        let said = said(body);
        let login = format!("with `docker login {registry}`");
        let fault = match (status, credentials) {
            (401 | 403, Credentials::None) => {
                return RegistryError::NoCredentials {
                    reference,
                    registry,
                };
            }
            (401, Credentials::Password { user, .. }) => format!(
                "does not accept the password of the user {user:?}{said}. Log in again {login}"
            ),
            // As OAuth 2 says it of one that has expired.
            (400 | 401, Credentials::IdentityToken(_)) => {
                format!("does not accept the identity token{said}. Log in again {login}")
            }
            (403, Credentials::Password { .. } | Credentials::IdentityToken(_)) => format!(
                "does not let {} {} this{said}. Check the name, and log in as someone who may {login}",
                self.user.as_deref().unwrap_or_default(),
                self.action()
            ),
            _ => format!("answered {status}{said}"),
        };
        self.token_service(realm, &fault)
    }

    /// What is wrong with the token service at `realm`, as the end of a sentence whose subject it is.
    pub(crate) fn token_service(&self, realm: &str, fault: &str) -> RegistryError {
        let (reference, registry) = self.names();
        RegistryError::TokenService {
            reference,
            registry,
            realm: realm.to_owned(),
            fault: fault.to_owned(),
        }
    }

    /// An identity token, for a registry that has no token service.
    pub(crate) fn identity_token_is_no_password(&self) -> RegistryError {
        let (reference, registry) = self.names();
        RegistryError::NoTokenService {
            reference,
            registry,
        }
    }

    /// An answer that is no success, with the beginning of its body.
    pub(crate) fn refused(&self, status: u16, body: &str) -> RegistryError {
        let (reference, registry) = self.names();
        let said = said(body);
        match (status, &self.user) {
            (401, None) => RegistryError::NoCredentials {
                reference,
                registry,
            },
            (401 | 403, user) => RegistryError::Denied {
                reference,
                registry,
                user: user.as_deref().unwrap_or("anyone unknown").to_owned(),
                action: self.action(),
                said,
            },
            (404, _) => RegistryError::NotFound { reference },
            (400, _) if self.insecure && body.contains("HTTPS") => RegistryError::Tls {
                reference,
                registry,
            },
            _ => RegistryError::Answer {
                reference,
                status: status.to_string(),
                said,
            },
        }
    }

    /// A failure that `oci-client` has told apart already.
    pub(crate) fn failed(&self, error: &OciDistributionError) -> RegistryError {
        match error {
            OciDistributionError::RequestError(error) => self.request_failed(error),
            OciDistributionError::IoError(error) => self.request_failed(error),
            OciDistributionError::UnauthorizedError { .. } => self.refused(401, ""),
            OciDistributionError::AuthenticationFailure(body) => self.refused(401, body),
            OciDistributionError::ServerError { code, message, .. } => self.refused(*code, message),
            OciDistributionError::RegistryError { envelope, .. } => {
                let Some(error) = envelope.errors.first() else {
                    return self.refused(400, "");
                };
                let status = match error.code {
                    OciErrorCode::Unauthorized => 401,
                    OciErrorCode::Denied => 403,
                    OciErrorCode::BlobUnknown
                    | OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound => 404,
                    OciErrorCode::Toomanyrequests => 429,
                    _ => 400,
                };
                self.refused(status, &error.message)
            }
            other => RegistryError::Answer {
                reference: self.reference.to_string(),
                status: "with what makes no sense".to_owned(),
                said: said(&other.to_string()),
            },
        }
    }
}

/// What a body says about a failure, as the end of a sentence: the messages of the distribution specification's form, the
/// description of OAuth 2's, the details of Docker Hub's, or the beginning of the text.
fn said(body: &str) -> String {
    let messages = || {
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        for field in ["error_description", "details"] {
            if let Some(text) = body[field].as_str() {
                return Some(text.to_owned());
            }
        }
        let messages = body["errors"].as_array()?.iter();
        let messages = messages.filter_map(|error| error["message"].as_str());
        Some(messages.collect::<Vec<_>>().join("; "))
    };
    let text = messages().unwrap_or_else(|| body.to_owned());
    let line: String = text.trim().chars().take(SAID).collect();
    if line.is_empty() {
        line
    } else {
        format!(": {line}")
    }
}

#[cfg(test)]
mod tests;
