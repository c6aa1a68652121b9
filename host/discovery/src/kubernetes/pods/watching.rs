//! The watch that keeps [`KnownPods`] up to date, from the process's start to its end.

use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::super::PeerSet;
use super::super::api_server::{ApiServer, Call, CallError};
use super::super::pacing::Pauses;
use super::KnownPods;

/// How long one watch lasts, in seconds, before it is asked for again where it ended. A connection that is dead without saying
/// so is noticed after that, so it is less than kube's five minutes.
const WATCH_SECONDS: u32 = 60;

/// Publishes the peers, and their changes, for as long as anybody has a use for them.
///
/// A watch that ends goes on where it ended. After a failure it begins anew with a list, which costs little for the pods of one
/// workload: the place where it was may have expired meanwhile, so that going on there would only be a second failure, and the
/// list says at once that the API server is back. Meanwhile the peers stay those that were known last.
pub(crate) async fn watch(
    api: Arc<ApiServer>,
    selector: String,
    mut known: KnownPods,
    peers: watch::Sender<PeerSet>,
) {
    let mut pauses = Pauses::new(api.pacing());
    let mut away = false;
    loop {
        let error = watch_once(&api, &selector, &mut known, &peers, &mut away).await;
        // A place that the server has forgotten is an everyday matter.
        let expired = matches!(&error, watcher::Error::WatchError(status) if status.code == 410);
        let error = meaning(&api, error);
        if expired || std::mem::replace(&mut away, true) {
            tracing::debug!("watching the pods: {error}");
        } else {
            tracing::warn!(
                "the peers stay those that are known, since the pods cannot be watched: {error}"
            );
        }
        sleep(pauses.after(&error)).await;
    }
}

/// Lists the pods and watches them until that fails.
async fn watch_once(
    api: &ApiServer,
    selector: &str,
    known: &mut KnownPods,
    peers: &watch::Sender<PeerSet>,
    away: &mut bool,
) -> watcher::Error {
    let of = watcher::Config::default()
        .labels(selector)
        .timeout(WATCH_SECONDS);
    let events = watcher(api.objects::<Pod>(), of);
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return error,
        };
        // It comes before the server has answered.
        let answered = !matches!(event, watcher::Event::Init);
        if answered && std::mem::take(away) {
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
    // It never ends by itself.
    watcher::Error::NoResourceVersion
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
