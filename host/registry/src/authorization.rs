//! [`Authorization`]: what a registry lets in with, kept valid for as long as it is needed.
//!
//! `oci-client` would ask for tokens itself, but also where credentials must not go, and would say nothing when there are
//! none. So it gets them from here.

use std::time::Duration;

use oci_client::RegistryOperation;
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryToken, RegistryTokenType};
use reqwest::RequestBuilder;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::failure::Attempt;
use super::token_service::{Token, TokenService};
use super::{Reference, RegistryError};

/// Between two tokens at least, however short they are said to count.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// What a registry lets in with.
pub(crate) enum Authorization {
    /// Nothing.
    None,
    /// User and password.
    Password { user: String, password: String },
    /// A token.
    Token(Box<Renewal>),
}

/// A token that is replaced before it counts no more.
pub(crate) struct Renewal {
    service: TokenService,
    current: Mutex<Current>,
    oci: oci_client::Client,
    reference: Reference,
}

struct Current {
    value: String,
    renew_at: Instant,
}

impl Authorization {
    /// Answers a challenge, for `oci` too.
    ///
    /// # Errors
    ///
    /// The credentials are of no use for it, or the token service gives no token for them.
    pub(crate) async fn obtain(
        challenge: Challenge,
        credentials: Credentials,
        attempt: &Attempt,
        oci: &oci_client::Client,
    ) -> Result<Self, RegistryError> {
        let reference = attempt.reference();
        match (challenge, credentials) {
            (Challenge::Token { realm, service }, credentials) => {
                let service = TokenService::new(&realm, service, credentials, attempt.clone())?;
                let token = service.token().await?;
                // It counts where the one below does not, for `oci-client`: when it can make nothing of it.
                let auth = RegistryAuth::Bearer(token.value.clone());
                oci.store_auth_if_needed(reference.registry(), &auth).await;
                let renewal = Renewal {
                    service,
                    current: Mutex::new(Current::from(&token)),
                    oci: oci.clone(),
                    reference: reference.clone(),
                };
                renewal.use_for_oci(token.value).await;
                Ok(Self::Token(Box::new(renewal)))
            }
            (Challenge::Password, Credentials::Password { user, password }) => {
                let auth = RegistryAuth::Basic(user.clone(), password.clone());
                oci.store_auth_if_needed(reference.registry(), &auth).await;
                let token = RegistryTokenType::Basic(user.clone(), password.clone());
                use_for_oci(oci, reference, &token).await;
                Ok(Self::Password { user, password })
            }
            (Challenge::Password, Credentials::IdentityToken(_)) => {
                Err(attempt.identity_token_is_no_password())
            }
            (Challenge::Password, Credentials::None) => Ok(Self::None),
        }
    }

    /// Adds it to a request.
    pub(crate) async fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Password { user, password } => request.basic_auth(user, Some(password)),
            Self::Token(renewal) => request.bearer_auth(&renewal.current.lock().await.value),
        }
    }

    /// Does something with `oci-client`, which has a valid token all the while.
    ///
    /// # Errors
    ///
    /// The token service gives no other token when one is due.
    pub(crate) async fn during<T>(
        &self,
        task: impl Future<Output = T>,
    ) -> Result<T, RegistryError> {
        let Self::Token(renewal) = self else {
            return Ok(task.await);
        };
        let due = renewal.renew_if_due().await?;
        tokio::select! {
            outcome = task => Ok(outcome),
            error = renewal.renew_from(due) => Err(error),
        }
    }
}

impl Renewal {
    /// Sees to it that the token counts, and says when the next one is due.
    async fn renew_if_due(&self) -> Result<Instant, RegistryError> {
        let mut current = self.current.lock().await;
        if current.renew_at <= Instant::now() {
            let token = self.service.token().await?;
            *current = Current::from(&token);
            self.use_for_oci(token.value).await;
        }
        Ok(current.renew_at)
    }

    /// Renews the token at `due`, and then again and again until that fails.
    async fn renew_from(&self, mut due: Instant) -> RegistryError {
        loop {
            sleep_until(due).await;
            match self.renew_if_due().await {
                Ok(next) => due = next,
                Err(error) => return error,
            }
        }
    }

    async fn use_for_oci(&self, token: String) {
        let token = RegistryTokenType::Bearer(RegistryToken::Token { token });
        use_for_oci(&self.oci, &self.reference, &token).await;
    }
}

impl From<&Token> for Current {
    /// What takes long to arrive must still be taken, so a token is replaced when a third of its time is left.
    fn from(token: &Token) -> Self {
        let lifetime = (token.lifetime * 2 / 3).max(MIN_LIFETIME);
        Self {
            value: token.value.clone(),
            renew_at: Instant::now() + lifetime,
        }
    }
}

/// One for pushing is one for pulling, too.
async fn use_for_oci(oci: &oci_client::Client, reference: &Reference, token: &RegistryTokenType) {
    for operation in [RegistryOperation::Pull, RegistryOperation::Push] {
        let tokens = &oci.tokens;
        tokens
            .insert(reference.inner(), operation, token.clone())
            .await;
    }
}
