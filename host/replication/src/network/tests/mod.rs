//! Tests of the peers' network.

mod append;
mod authentication;
mod calls;
mod certificates;
mod commit_news;
mod connection;
mod contradictions;
mod cutoff;
mod failure;
mod incoming;
mod late_replies;
mod limits;
mod occasional;
mod other_clusters;
mod peer;
mod places;
mod port;
mod recovery;
mod snapshot;
mod spoken;
mod stopping;
mod strangers;
mod time_limits;
mod tls;
mod token;
mod token_tls;
mod trust;

use std::time::Duration;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `what` for as long as [`PATIENCE`] lasts.
async fn soon<T>(what: &str, happening: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(PATIENCE, happening).await;
    happened.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
