//! What a failed request means: from the errors of the HTTP client, and from statuses, to a [`RegistryError`] that says
//! what to do.

use std::error::Error;
use std::io;

use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;

use super::{Reference, RegistryError};

/// How much of what a registry says about a failure is repeated, in characters.
const SAID: usize = 300;

/// What was tried, so that a failure can be put in its words.
#[derive(Debug)]
pub(super) struct Attempt {
    reference: Reference,
    action: &'static str,
    insecure: bool,
    user: Option<String>,
}

impl Attempt {
    /// `action` is `pull` or `push`.
    pub(super) fn new(
        reference: &Reference,
        action: &'static str,
        insecure: bool,
        auth: &RegistryAuth,
    ) -> Self {
        let user = match auth {
            RegistryAuth::Basic(user, _) => Some(user.clone()),
            RegistryAuth::Anonymous | RegistryAuth::Bearer(_) => None,
        };
        Self {
            reference: reference.clone(),
            action,
            insecure,
            user,
        }
    }

    fn reference(&self) -> String {
        self.reference.to_string()
    }

    fn registry(&self) -> String {
        self.reference.registry().to_owned()
    }

    /// A failure of the client's, before there was an answer or while it came.
    pub(super) fn request_failed(&self, error: &(dyn Error + 'static)) -> RegistryError {
        let (reference, registry) = (self.reference(), self.registry());
        let causes = causes(error);
        for cause in &causes {
            match cause.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidMessage(_)) => {
                    return RegistryError::PlainHttp {
                        reference,
                        registry,
                    };
                }
                Some(rustls::Error::InvalidCertificate(reason)) => {
                    return RegistryError::Certificate {
                        reference,
                        registry,
                        reason: reason.to_string(),
                    };
                }
                _ => {}
            }
            if self.insecure
                && cause
                    .downcast_ref::<hyper::Error>()
                    .is_some_and(hyper::Error::is_parse)
            {
                return RegistryError::Tls {
                    reference,
                    registry,
                };
            }
        }
        let reason = causes.last().map_or_else(String::new, ToString::to_string);
        if causes
            .iter()
            .any(|cause| cause.to_string().starts_with("dns error"))
        {
            return RegistryError::UnknownHost {
                reference,
                registry,
                reason,
            };
        }
        let refused = causes.iter().any(|cause| {
            let error = cause.downcast_ref::<io::Error>();
            error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
        RegistryError::Unreachable {
            reference,
            registry,
            reason,
            hint: if refused {
                ". Nothing listens there: check the name and the port, and that the registry runs"
            } else {
                ""
            },
        }
    }

    /// An answer that is no success, with the beginning of its body.
    pub(super) fn refused(&self, status: u16, body: &str) -> RegistryError {
        let (reference, registry) = (self.reference(), self.registry());
        let said = said(body);
        match (status, &self.user) {
            (401, None) => RegistryError::NoCredentials {
                reference,
                registry,
            },
            (401 | 403, user) => RegistryError::Denied {
                reference,
                registry,
                user: user.as_ref().map_or_else(
                    || "anyone unknown".to_owned(),
                    |user| format!("the user {user:?}"),
                ),
                action: self.action,
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
    pub(super) fn failed(&self, error: &OciDistributionError) -> RegistryError {
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
                reference: self.reference(),
                status: "with what makes no sense".to_owned(),
                said: said(&other.to_string()),
            },
        }
    }
}

/// An error and what is behind it, outermost first. What an [`io::Error`] holds is one of them, which its `source` is not.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error);
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    causes
}

/// What a body says about a failure, as the end of a sentence: the messages of the distribution specification's form, or
/// the beginning of the text.
fn said(body: &str) -> String {
    let messages = || {
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
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
mod tests {
    use super::*;

    fn attempt(insecure: bool, auth: &RegistryAuth) -> Attempt {
        let reference = Reference::parse("r.test/a:1").expect("a reference");
        Attempt::new(&reference, "pull", insecure, auth)
    }

    #[test]
    fn each_status_has_its_own_words() {
        let anonymous = attempt(false, &RegistryAuth::Anonymous);
        let known = attempt(false, &RegistryAuth::Basic("me".into(), "secret".into()));
        let insecure = attempt(true, &RegistryAuth::Anonymous);
        let denied = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
        for (error, part) in [
            (anonymous.refused(401, ""), "`docker login r.test`"),
            (
                known.refused(401, ""),
                "does not let the user \"me\" pull this.",
            ),
            (known.refused(403, denied), "pull this: not yours."),
            (
                anonymous.refused(403, ""),
                "does not let anyone unknown pull",
            ),
            (
                anonymous.refused(404, ""),
                "no such repository, tag or digest",
            ),
            (
                insecure.refused(400, "an HTTPS server"),
                "Leave --insecure out",
            ),
            (
                anonymous.refused(400, "an HTTPS server"),
                "answered 400: an HTTPS",
            ),
            (anonymous.refused(503, "<html>"), "answered 503: <html>"),
        ] {
            let text = error.to_string();
            assert!(text.contains(part), "{text}");
            assert!(
                text.contains("r.test/a:1") && !text.contains("secret"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_long_answer_is_cut() {
        let long = attempt(false, &RegistryAuth::Anonymous).refused(500, &"ä".repeat(5000));
        assert!(long.to_string().chars().count() < 400);
    }

    #[test]
    fn what_an_io_error_holds_is_found() {
        let inner = rustls::Error::General("inner".into());
        let outer = io::Error::other(io::Error::other(inner));
        let found = causes(&outer);
        assert!(found.iter().any(|cause| cause.is::<rustls::Error>()));
    }
}
