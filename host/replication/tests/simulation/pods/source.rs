//! The source of peers, made for these tests. It is always right, and at once, unless a test has it be late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use spindrift_discovery::{Claim, ClusterEvent, Discovery, MemberState, PeerSet, Verdict};
use tokio::sync::watch;

use crate::process::address;

/// How often each process asks in vain whether it may form a cluster.
const REFUSED_CLAIMS: usize = 3;

/// What the source knows, and what it was told.
#[derive(Debug, Default)]
pub struct Known {
    /// The process that was told to form a cluster.
    pub formed_by: Option<String>,
    pub claims: BTreeMap<String, Vec<Claim>>,
    pub standings: BTreeMap<String, Option<MemberState>>,
    pub notices: Vec<(String, ClusterEvent)>,
    pub closed: BTreeSet<String>,
}

/// The source, shared by all processes.
#[derive(Debug)]
pub struct Pods {
    peers: watch::Sender<PeerSet>,
    known: Mutex<Known>,
}

impl Pods {
    /// One that knows of nobody.
    pub fn new() -> Self {
        Self {
            peers: watch::channel(PeerSet::default()).0,
            known: Mutex::default(),
        }
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn appears(&self, name: &str) {
        self.peers.send_modify(|peers| {
            peers.present.insert(address(name));
        });
    }

    pub fn is_gone(&self, name: &str) {
        self.peers.send_modify(|peers| {
            peers.present.remove(&address(name));
            peers.gone.insert(address(name));
        });
    }

    /// How often it was told that a process has joined.
    pub fn joined(&self, name: &str) -> usize {
        let joined = self.notices(
            |notice| matches!(notice, ClusterEvent::Joined { address: at, .. } if *at == address(name)),
        );
        joined.len()
    }

    /// What was told of the kinds that `is` takes.
    pub fn notices(&self, is: impl Fn(&ClusterEvent) -> bool) -> Vec<(String, ClusterEvent)> {
        let known = self.known();
        let notices = known.notices.iter();
        notices.filter(|(_, notice)| is(notice)).cloned().collect()
    }
}

/// The source as one process has it.
#[derive(Debug)]
pub struct Pod {
    pub name: String,
    pub pods: Arc<Pods>,
}

impl Discovery for Pod {
    fn peers(&self) -> watch::Receiver<PeerSet> {
        self.pods.peers.subscribe()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Verdict> {
        let mut known = self.pods.known();
        let claims = known.claims.entry(self.name.clone()).or_default();
        claims.push(claim);
        let early = claims.len() <= REFUSED_CLAIMS;
        let taken = known.formed_by.as_ref();
        let verdict = if early || taken.is_some_and(|name| *name != self.name) {
            Verdict::Wait {
                reason: "somebody else may form the cluster".into(),
            }
        } else {
            known.formed_by = Some(self.name.clone());
            Verdict::Form
        };
        ready(verdict).boxed()
    }

    fn announce(&self, standing: Option<MemberState>) {
        let mut known = self.pods.known();
        known.standings.insert(self.name.clone(), standing);
    }

    fn notify(&self, notice: ClusterEvent) {
        self.pods.known().notices.push((self.name.clone(), notice));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.pods.known().closed.insert(self.name.clone());
        ready(()).boxed()
    }
}
