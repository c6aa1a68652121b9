//! The watch that keeps [`KnownPods`] up to date, from the process's start to its end.

use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;

use super::super::super::PeerSet;
use super::super::api_server::{ApiServer, Call, CallError};
use super::KnownPods;

/// How long one watch lasts, in seconds, before it is asked for again where it ended. A connection that is dead without saying
/// so is noticed after that, so it is less than kube's five minutes.
const WATCH_SECONDS: u32 = 60;

/// Publishes the peers, and their changes, for as long as anybody has a use for them.
///
/// Failures are retried with growing pauses up to half a minute, from where the watch ended; with a list anew when the API
/// server does not know that place any more. Meanwhile the peers stay those that were known last.
pub(in super::super) async fn watch(
    api: Arc<ApiServer>,
    selector: String,
    mut known: KnownPods,
    peers: watch::Sender<PeerSet>,
) {
    let of = watcher::Config::default()
        .labels(&selector)
        .timeout(WATCH_SECONDS);
    let events = watcher(api.objects::<Pod>(), of).default_backoff();
    pin_mut!(events);
    let mut away = false;
    while let Some(event) = events.next().await {
        match event {
            // It comes before the server has answered.
            Ok(watcher::Event::Init) => {
                known.see(&watcher::Event::Init);
            }
            Ok(event) => {
                if std::mem::take(&mut away) {
                    tracing::info!("the API server says again which pods there are");
                }
                if known.see(&event) {
                    let now = known.peers();
                    peers.send_if_modified(|before| {
                        let changed = *before != now;
                        *before = now;
                        changed
                    });
                }
            }
            Err(error) => {
                // A watch that ran out of the server's memory is an everyday matter.
                let expired =
                    matches!(&error, watcher::Error::WatchError(status) if status.code == 410);
                let error = meaning(&api, error);
                if expired || std::mem::replace(&mut away, true) {
                    tracing::debug!("watching the pods: {error}");
                } else {
                    tracing::warn!(
                        "the peers stay those that are known, since the pods cannot be watched: {error}"
                    );
                }
            }
        }
    }
}

fn meaning(api: &ApiServer, error: watcher::Error) -> CallError {
    use watcher::Error;
    let (verb, error) = match error {
        Error::InitialListFailed(error) => ("list", error),
        Error::WatchStartFailed(error) | Error::WatchFailed(error) => ("watch", error),
        Error::WatchError(status) => ("watch", kube::Error::Api(status)),
        Error::NoResourceVersion => {
            let call = Call::new::<Pod>("watch");
            let reason = "its answer has no resourceVersion".into();
            return CallError::Away { call, reason };
        }
    };
    let call = Call::new::<Pod>(verb);
    let error = CallError::new(call.clone(), &error);
    api.note_refusal(&call, Some(&error));
    error
}
