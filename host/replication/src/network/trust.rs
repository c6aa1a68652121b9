//! [`Trust`]: what a process proves itself to nodes with, and what they prove themselves with to it.
//!
//! A token alone makes the certificates of TLS. Where there are certificates from files, TLS goes by those, and the token, if
//! there is one too, goes with every call: only to those that have proved themselves with a certificate, encrypted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::authentication::Authentication;
use super::stamp::Stamp;
use super::tls::{PeerTls, TlsError};
use super::token::ClusterToken;
use crate::options::PeerTlsFiles;

/// How often the token's file is looked at. To look costs some microseconds.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What both sides of a connection prove themselves with.
pub struct Trust {
    /// TLS, if there is a token or there are certificates.
    pub tls: Option<PeerTls>,
    /// What calls carry.
    pub authentication: Authentication,
    token: Option<ClusterToken>,
}

impl Trust {
    /// Reads the certificates, or makes them of the token. That takes a tenth of a second, unless the token was
    /// [derived](ClusterToken::derive) before.
    ///
    /// # Errors
    ///
    /// The files are no use, as [`PeerTls::load`] says, or there is too little memory.
    pub fn establish(
        token: Option<&ClusterToken>,
        certificates: Option<&PeerTlsFiles>,
    ) -> Result<Self, TlsError> {
        let (tls, carried) = match (token, certificates) {
            (token, Some(files)) => (Some(PeerTls::load(files)?), token),
            (Some(token), None) => (Some(PeerTls::of(token)?), None),
            (None, None) => (None, None),
        };
        Ok(Self {
            tls,
            authentication: Authentication::new(carried),
            token: token.cloned(),
        })
    }

    /// Takes the tokens that come into the token's file, as [`follow_file`] says. Never ends.
    pub async fn follow(self) {
        let Some((file, in_force)) = self.token.and_then(|token| token.file().cloned()) else {
            return std::future::pending().await;
        };
        let (tls, carried) = (self.tls, self.authentication);
        let take = move |token: &ClusterToken| {
            if carried.is_carried() {
                carried.change(token);
            } else if let Some(tls) = &tls {
                tls.trust(token).map_err(|error| error.to_string())?;
            }
            Ok(())
        };
        follow_file(file, in_force, take).await;
    }
}

/// Looks at the token's file again and again, and has its tokens taken once they are others than those `in_force`. Never ends.
///
/// The beginning of a token is a token as well, so nothing is taken of a file that somebody is still writing: it has to be the
/// same at two looks in a row. If the file is no use, or `take` fails, the old tokens stay. That is logged once, and each
/// further look tries again.
pub(super) async fn follow_file(
    file: PathBuf,
    mut in_force: Stamp,
    take: impl Fn(&ClusterToken) -> Result<(), String> + Send + Sync + 'static,
) {
    let take = Arc::new(take);
    let mut before = None;
    let mut told = None;
    loop {
        sleep(LOOK_INTERVAL).await;
        if Stamp::of(&file) == in_force {
            (before, told) = (None, None);
            continue;
        }
        let (path, take, earlier) = (file.clone(), take.clone(), before.take());
        // What follows from a token takes long to compute, and heartbeats must not wait for it.
        let looking = spawn_blocking(move || {
            let seen = ClusterToken::read(&path).map_err(|error| error.to_string());
            if earlier.as_ref() != Some(&seen) {
                return (seen, None);
            }
            let taken = seen.clone().and_then(|token| {
                take(&token)?;
                Ok(token)
            });
            (seen, Some(taken))
        });
        let taken = match looking.await {
            Ok((seen, taken)) => {
                before = Some(seen);
                taken
            }
            Err(_) => Some(Err("it was given up".into())),
        };
        match taken {
            None => {}
            Some(Ok(token)) => {
                if let Some((_, stamp)) = token.file() {
                    in_force = stamp.clone();
                }
                let trusts = match token.trusted().count() {
                    1 => "trusts the one token that is in it",
                    _ => "proves itself with the first token that is in it, and trusts both",
                };
                tracing::info!(
                    "has read the changed file of the cluster token {}, and {trusts}",
                    file.display()
                );
            }
            Some(Err(error)) if told.as_ref() == Some(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(
                    "the changed file of the cluster token is no use, and the old token stays: {error}"
                );
                told = Some(error);
            }
        }
    }
}
