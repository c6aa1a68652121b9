//! [`Trust`]: what a process proves itself to nodes with, and what they prove themselves with to it.
//!
//! A token alone makes the certificates of TLS. Where there are certificates from files, TLS goes by those, and the token, if
//! there is one too, goes with every call: only to those that have proved themselves with a certificate, encrypted.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::authentication::Authentication;
use super::stamp::Stamp;
use super::tls::{PeerTls, TlsError};
use super::token::ClusterToken;
use crate::replication::options::PeerTlsFiles;

/// How often the token's file is looked at. To look costs some microseconds.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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

    /// Reads the token's file again whenever it has changed, and takes the tokens in it. If the file is no use, logs that and
    /// keeps the old tokens. Never ends.
    pub async fn follow(self) {
        let Some((file, mut seen)) = self.token.and_then(|token| token.file().cloned()) else {
            return std::future::pending().await;
        };
        loop {
            let now = Stamp::of(&file);
            if now != seen {
                seen = now;
                let (path, tls) = (file.clone(), self.tls.clone());
                let carried = self.authentication.clone();
                // What follows from a token takes long to compute, and heartbeats must not wait for it.
                let read = spawn_blocking(move || {
                    let token = ClusterToken::read(&path).map_err(|error| error.to_string())?;
                    if carried.is_carried() {
                        carried.change(&token);
                    } else if let Some(tls) = tls {
                        tls.trust(&token).map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(token.trusted().count())
                });
                let read = read.await.unwrap_or_else(|_| Err("it was given up".into()));
                match read {
                    Ok(1) => tracing::info!(
                        "has read the changed file of the cluster token {}, and trusts the one token that is in it",
                        file.display()
                    ),
                    Ok(_) => tracing::info!(
                        "has read the changed file of the cluster token {}: proves itself with the first token that is in \
                         it, and trusts both",
                        file.display()
                    ),
                    // It may only be on its way. It is said once for what is there now.
                    Err(error) => tracing::warn!(
                        "the changed file of the cluster token is no use, and the old token stays: {error}"
                    ),
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}
