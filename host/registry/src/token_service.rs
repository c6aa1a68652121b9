//! [`TokenService`]: the server that a registry has its users let in by. Registries with many users have one: it takes the
//! credentials and gives a token for one repository, which the registry takes for a while.
//!
//! The protocol is that of the distribution project (its specification "Token Authentication", and "OAuth2 Token
//! Authentication" for identity tokens). Credentials go to no server but the one that the registry names, and there only
//! over TLS, unless the registry itself is spoken to without.

use std::time::Duration;

use oci_client::RegistryOperation;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value;

use super::credentials::Credentials;
use super::failure::Attempt;
use super::{RegistryError, http_client, limits};

/// How long a token counts that does not say it: as specified.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// How long a token counts at most, before another one is asked for.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Who asks for a token.
const CLIENT_ID: &str = env!("CARGO_PKG_NAME");

/// A token.
pub(crate) struct Token {
    /// Graphic characters of ASCII, which a header field can hold.
    pub(crate) value: String,
    /// How long it counts from now on.
    pub(crate) lifetime: Duration,
}

/// The server that gives tokens for one repository.
pub(crate) struct TokenService {
    http: reqwest::Client,
    realm: Url,
    service: Option<String>,
    scope: String,
    credentials: Credentials,
    attempt: Attempt,
}

impl TokenService {
    /// The one at `realm`, which knows the registry as `service`.
    ///
    /// # Errors
    ///
    /// `realm` is no URL, or one without TLS although the registry has it.
    pub(crate) fn new(
        realm: &str,
        service: Option<String>,
        credentials: Credentials,
        attempt: Attempt,
    ) -> Result<Self, RegistryError> {
        let url = Url::parse(realm).ok();
        let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(attempt.token_service(
                &format!("{realm:?}"),
                "is no URL of http or https. Tell those who run the registry",
            ));
        };
        if url.scheme() == "http" && !attempt.is_insecure() {
            return Err(attempt.token_service(
                &shown(&url),
                "does without TLS, so nothing is sent there. Tell those who run the registry",
            ));
        }
        let actions = match attempt.operation() {
            RegistryOperation::Pull => "pull",
            RegistryOperation::Push => "pull,push",
        };
        Ok(Self {
            // Elsewhere the credentials would be in other hands, and nobody but the registry says in whose they are good.
            http: http_client::with_redirects(attempt.is_insecure(), Policy::custom(stay))?,
            realm: url,
            service,
            scope: format!("repository:{}:{actions}", attempt.reference().repository()),
            credentials,
            attempt,
        })
    }

    /// Asks for a token.
    ///
    /// # Errors
    ///
    /// The server gives none, or gives what no header field can hold.
    pub(crate) async fn token(&self) -> Result<Token, RegistryError> {
        let realm = shown(&self.realm);
        let failed = |error: reqwest::Error| self.attempt.token_request_failed(&realm, &error);
        let response = self.request().send().await.map_err(failed)?;
        let status = response.status();
        let body = http_client::read(response, limits::TOKEN);
        let (body, is_whole) = body.await.map_err(failed)?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body);
            return Err(self.attempt.token_refused(
                &realm,
                status.as_u16(),
                &said,
                &self.credentials,
            ));
        }
        let token = is_whole.then(|| Token::read(&body)).flatten();
        token.ok_or_else(|| {
            self.attempt.token_service(
                &realm,
                &format!("answered {} without a token", status.as_u16()),
            )
        })
    }

    fn request(&self) -> RequestBuilder {
        let mut parameters = vec![("scope", self.scope.as_str())];
        parameters.extend(self.service.as_deref().map(|service| ("service", service)));
        match &self.credentials {
            Credentials::None => self.http.get(self.realm.clone()).query(&parameters),
            Credentials::Password { user, password } => self
                .http
                .get(self.realm.clone())
                .query(&parameters)
                .basic_auth(user, Some(password)),
            Credentials::IdentityToken(token) => {
                parameters.extend([
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("client_id", CLIENT_ID),
                ]);
                self.http.post(self.realm.clone()).form(&parameters)
            }
        }
    }
}

impl Token {
    fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<Value>,
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let given = [answer.token, answer.access_token].into_iter().flatten();
        let value = given.into_iter().find(|token| !token.is_empty())?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let seconds = answer.expires_in.and_then(|seconds| seconds.as_u64());
        let lifetime = seconds.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        Some(Self {
            value,
            lifetime: lifetime.min(MAX_LIFETIME),
        })
    }
}

/// Follows a redirect on the same server only.
fn stay(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if stays && attempt.previous().len() <= 5 {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// A realm without what may be secret in it.
fn shown(realm: &Url) -> String {
    format!("{}{}", realm.origin().ascii_serialization(), realm.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_either_name_and_with_its_lifetime() {
        for (body, value, seconds) in [
            (r#"{"token": "t", "expires_in": 300}"#, "t", 300),
            (r#"{"access_token": "a"}"#, "a", 60),
            (r#"{"token": "t", "access_token": "a"}"#, "t", 60),
            (
                r#"{"token": "", "access_token": "a", "expires_in": null}"#,
                "a",
                60,
            ),
            (r#"{"token": "t", "expires_in": 999999999999}"#, "t", 86_400),
            (r#"{"token": "t", "expires_in": -1, "x": 1}"#, "t", 60),
        ] {
            let token = Token::read(body.as_bytes()).expect(body);
            assert_eq!(
                (&*token.value, token.lifetime.as_secs()),
                (value, seconds),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"token": ""}"#,
            r#"{"token": 1}"#,
            r#"{"token": "two\r\nlines"}"#,
            r#"{"token": "ä"}"#,
        ] {
            assert!(Token::read(body.as_bytes()).is_none(), "{body}");
        }
    }
}
