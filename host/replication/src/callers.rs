//! [`Callers`]: nodes of other clusters that look for a member of theirs at this process's address.
//!
//! A cluster calls a member that is gone until it removes it, so a process that is started again hears of the cluster that the
//! one before it belonged to, even if it is told of none. What follows from that is decided where a cluster would be formed
//! ([`Discovery::claim`](spindrift_discovery::Discovery::claim)), and said by the [lifecycle](super::lifecycle) where one was.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use spindrift_discovery::Caller;
use tokio::time::Instant;

use super::types::ClusterId;

/// How long a call counts. A leader that looks for a member calls more than once a second, and gives a call up after two.
const RECENT: Duration = Duration::from_secs(5);

/// Addresses that are remembered. A cluster has fewer nodes that call.
const REMEMBERED: usize = 64;

/// Who has called, by address.
#[derive(Debug, Default)]
pub struct Callers(Mutex<BTreeMap<String, Call>>);

/// The last call of a node.
#[derive(Clone, Copy, Debug)]
struct Call {
    cluster: ClusterId,
    at: Instant,
}

impl Callers {
    /// Notes that the node at `address` has called for a member of `cluster`, which this process is not.
    pub fn note(&self, cluster: ClusterId, address: String) {
        let mut calls = self.0.lock();
        if calls.len() >= REMEMBERED && !calls.contains_key(&address) {
            let oldest = calls.iter().min_by_key(|(_, call)| call.at);
            let oldest = oldest.map(|(address, _)| address.clone());
            oldest.and_then(|address| calls.remove(&address));
        }
        let at = Instant::now();
        calls.insert(address, Call { cluster, at });
    }

    /// Those who still look for a member, by the order of their addresses.
    #[must_use]
    pub fn recent(&self) -> Vec<Caller> {
        let calls = self.0.lock();
        let recent = calls.iter().filter(|(_, call)| call.at.elapsed() < RECENT);
        recent
            .map(|(address, call)| caller(call.cluster, address))
            .collect()
    }

    /// One of each cluster that has called, however long ago.
    #[must_use]
    pub fn of_each_cluster(&self) -> BTreeMap<ClusterId, Caller> {
        let calls = self.0.lock();
        let each = calls.iter();
        each.map(|(address, call)| (call.cluster, caller(call.cluster, address)))
            .collect()
    }
}

fn caller(cluster: ClusterId, address: &str) -> Caller {
    Caller {
        cluster: cluster.to_string(),
        address: address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(callers: &Callers) -> Vec<String> {
        let recent = callers.recent().into_iter();
        recent.map(|caller| caller.address).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_calls_no_more_is_forgotten_where_a_cluster_would_be_formed() {
        let callers = Callers::default();
        callers.note(ClusterId(1), "a:1".into());
        tokio::time::advance(RECENT - Duration::from_millis(1)).await;
        callers.note(ClusterId(2), "b:1".into());
        assert_eq!(addresses(&callers), ["a:1", "b:1"]);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(addresses(&callers), ["b:1"]);
        let clusters: Vec<_> = callers.of_each_cluster().into_keys().collect();
        assert_eq!(clusters, [ClusterId(1), ClusterId(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn very_many_callers_are_not_all_remembered() {
        let callers = Callers::default();
        for number in 0..1000 {
            callers.note(ClusterId(1), format!("node-{number}:7000"));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let remembered = addresses(&callers);
        assert_eq!(remembered.len(), REMEMBERED);
        assert!(remembered.contains(&"node-999:7000".to_owned()));
        assert!(!remembered.contains(&"node-0:7000".to_owned()));
    }
}
