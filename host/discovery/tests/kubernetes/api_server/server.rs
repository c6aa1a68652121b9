//! [`ApiServer`]: the stand-in, over HTTPS or within the process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tower::service_fn;

use super::answering::{Lost, answer};
use super::faults::{Fault, Faults, Mishaps};
use super::objects::{Objects, Place};
use super::problem::Problem;
use super::request::Call;

/// The namespace of all objects.
pub const NAMESPACE: &str = "apps";

/// What a pod's service account shows.
pub(super) const TOKEN: &str = "a-token-of-a-service-account";

/// An API server. Clones are the same one.
#[derive(Clone, Default)]
pub struct ApiServer {
    pub(super) shared: Arc<Shared>,
}

/// What all its requests share.
#[derive(Default)]
pub(super) struct Shared {
    pub objects: Mutex<Objects>,
    pub faults: Mutex<Faults>,
    pub calls: Mutex<Vec<Call>>,
    /// Requests so far, those that nobody answered too.
    pub attempts: AtomicUsize,
    /// Wakes watches when something has changed.
    pub changes: watch::Sender<u64>,
    /// Ends watches.
    pub cuts: watch::Sender<u64>,
}

impl Shared {
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl ApiServer {
    /// A client within the process: without sockets, so that it works under a paused clock.
    pub fn client(&self) -> Client {
        let shared = self.shared.clone();
        let service = service_fn(move |request: http::Request<kube::client::Body>| {
            let mut request = request.map(Body::new);
            let token = format!("Bearer {TOKEN}").parse().expect("a header");
            request.headers_mut().insert("authorization", token);
            let answer = answer(shared.clone(), request);
            async move { answer.await.map_err(|lost: Lost| lost) }
        });
        Client::new(service, NAMESPACE)
    }

    /// An object as it is.
    pub fn object(&self, resource: &str, name: &str) -> Option<Value> {
        self.shared.objects.lock().get(&place(resource, name)).ok()
    }

    /// All objects of a resource.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        self.shared.objects.lock().list(resource, NAMESPACE, "")
    }

    /// Changes objects, as somebody else would.
    ///
    /// # Panics
    ///
    /// If that does not succeed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Objects) -> Result<T, Problem>) -> T {
        let changed = change(&mut self.shared.objects.lock());
        self.shared.changed();
        changed.unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    /// Deletes an object.
    pub fn delete(&self, resource: &str, name: &str) {
        self.change(|objects| objects.delete(place(resource, name)));
    }

    /// Answers nobody any more, or everybody again. Watches end.
    pub fn set_away(&self, away: bool) {
        self.shared.faults.lock().away = away;
        self.cut_watches();
    }

    /// Ends all watches.
    pub fn cut_watches(&self) {
        self.shared.cuts.send_modify(|count| *count += 1);
    }

    /// Forgets the history, so that a watch that goes on where another ended has expired.
    pub fn forget_history(&self) {
        self.shared.objects.lock().forget();
    }

    /// Refuses a verb for a resource, or allows it again.
    pub fn refuse(&self, verb: &'static str, resource: &str, refuse: bool) {
        let mut faults = self.shared.faults.lock();
        let rule = (verb, resource.to_owned());
        if refuse {
            faults.refused.insert(rule);
        } else {
            faults.refused.remove(&rule);
        }
    }

    /// Makes the next request with a verb for a resource go wrong.
    pub fn fail_once(&self, verb: &'static str, resource: &'static str, fault: Fault) {
        self.shared.faults.lock().once(verb, resource, fault);
    }

    /// Makes requests go wrong by chance.
    pub fn fail_by_chance(&self, mishaps: Mishaps, seed: u64) {
        self.shared.faults.lock().by_chance(mishaps, seed);
    }

    /// The calls that have arrived so far, each once.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.shared.calls.lock().iter().cloned().collect()
    }

    /// How many requests there were so far, those too that it did not answer.
    pub fn attempts(&self) -> usize {
        self.shared.attempts.load(Ordering::Relaxed)
    }

    /// How many calls with a verb for a resource have arrived.
    pub fn count(&self, verb: &str, resource: &str) -> usize {
        let calls = self.shared.calls.lock();
        let such = calls
            .iter()
            .filter(|c| c.verb == verb && c.resource == resource);
        such.count()
    }
}

/// Where an object of the namespace is.
pub(super) fn place(resource: &str, name: &str) -> Place {
    (resource.to_owned(), NAMESPACE.to_owned(), name.to_owned())
}
