//! [`Acknowledged`]: writes that were acknowledged, which have to be there whatever happens afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use crate::checking::history::{Answer, Outcome, Request};
use crate::load::client::{Freshness, StoreClient};
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::run::eventually;

/// Longer than a node waits for a leader.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes with distinct keys, and what they wrote.
#[derive(Default)]
pub struct Acknowledged {
    client: StoreClient,
    keys: Vec<(String, u64)>,
}

impl Acknowledged {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Writes one more key at a node, once.
    pub async fn try_put(&mut self, node: SocketAddr) -> Outcome {
        let value = self.keys.len() as u64;
        let key = format!("acknowledged-{value}");
        let outcome = self
            .client
            .ask(
                node,
                &key,
                Request::Put(value),
                Freshness::Linearizable,
                TIMEOUT,
            )
            .await;
        if outcome == Outcome::Answered(Answer::Written) {
            self.keys.push((key, value));
        }
        outcome
    }

    /// Writes so many more keys through all nodes that run.
    ///
    /// # Panics
    ///
    /// If one is not acknowledged.
    pub async fn put(&mut self, count: usize, cluster: &mut Cluster) {
        for number in 0..count {
            let running = cluster.running();
            let node = &cluster[running[number % running.len()]].addresses;
            let outcome = self.try_put(node.http).await;
            assert_eq!(outcome, Outcome::Answered(Answer::Written), "{}", node.name);
        }
    }

    /// Writes one more key through every node, as often as it takes: nodes that have just come together again may still
    /// elect a leader.
    ///
    /// # Panics
    ///
    /// If a node does not come to acknowledge one.
    pub async fn put_at_last(&mut self, cluster: &mut Cluster) {
        for node in cluster.running() {
            let addresses = &cluster[node].addresses;
            eventually("a write is acknowledged", async || {
                match self.try_put(addresses.http).await {
                    Outcome::Answered(Answer::Written) => Ok(()),
                    other => Err(format!("{other:?} by {}", addresses.name)),
                }
            })
            .await;
        }
    }

    /// Reads a key at a node, the newest that was acknowledged.
    pub async fn read_last(&self, node: SocketAddr, freshness: Freshness) -> Outcome {
        let (key, _) = self.keys.last().expect("something was written");
        self.client
            .ask(node, key, Request::Get, freshness, TIMEOUT)
            .await
    }

    /// Checks that a node has all of it.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn all_at(&self, cluster: &Cluster, node: NodeIndex) {
        let addresses = &cluster[node].addresses;
        for (key, value) in &self.keys {
            let outcome = self.client.ask(
                addresses.http,
                key,
                Request::Get,
                Freshness::Linearizable,
                TIMEOUT,
            );
            let outcome = outcome.await;
            assert_eq!(
                outcome,
                Outcome::Answered(Answer::Found(*value)),
                "{key} at {}",
                addresses.name
            );
        }
    }

    /// Checks that every node has all of it.
    ///
    /// # Panics
    ///
    /// If one does not.
    pub async fn all_everywhere(&self, cluster: &mut Cluster) {
        for node in cluster.running() {
            self.all_at(cluster, node).await;
        }
    }

    /// Waits until a node itself has all of it, without asking another.
    ///
    /// # Panics
    ///
    /// If it does not come to.
    pub async fn held_by(&self, cluster: &Cluster, node: NodeIndex) {
        let addresses = &cluster[node].addresses;
        for (key, value) in &self.keys {
            eventually(format!("{} holds {key}", addresses.name), async || {
                let stale =
                    self.client
                        .ask(addresses.http, key, Request::Get, Freshness::Stale, TIMEOUT);
                match stale.await {
                    Outcome::Answered(Answer::Found(found)) if found == *value => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        }
    }
}
