//! What tests wait for of the [`Pods`] of a Deployment: that their nodes agree, that one leads, and what the API server is told.

use serde_json::Value;

use super::eventually;
use super::pods::{Pods, VOTERS};
use crate::pod::lease;
use crate::view::agree;

impl Pods {
    /// Waits until the process of a pod has logged something.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn logs(&mut self, name: &str, part: &str) {
        eventually(format!("{part:?} in the log of {name}"), async || {
            let log = self.log(name);
            if log.contains(part) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// Waits until the nodes in all pods whose processes run agree on one cluster of them all. Gives its id.
    ///
    /// # Panics
    ///
    /// If they do not come to.
    pub async fn agree(&mut self) -> String {
        eventually("one cluster of all pods", async || {
            let names = self.names();
            let mut views = Vec::new();
            for name in &names {
                views.push(self.view(name).await?);
            }
            agree(&views, VOTERS.min(names.len()))?;
            let cluster = views.first().and_then(|view| view.cluster.clone());
            cluster.ok_or_else(|| "no cluster".to_owned())
        })
        .await
    }

    /// The pod whose node leads.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn leader(&mut self) -> String {
        eventually("a leader", async || {
            let mut leading = None;
            for name in self.names() {
                let view = self.view(&name).await?;
                if view.leads() && leading.as_ref().is_none_or(|(term, _)| *term < view.term) {
                    leading = Some((view.term, name));
                }
            }
            leading
                .map(|(_, name)| name)
                .ok_or_else(|| "nobody leads".to_owned())
        })
        .await
    }

    /// Kills all voters but one, and deletes their pods. Gives the pod of the one that is left, which did not lead.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn lose_majority(&mut self) -> String {
        let left = self.follower().await;
        for name in self.names() {
            let votes = self.view(&name).await.expect("a view").votes();
            if votes && name != left {
                self.kill(&name);
                self.api.remove_pod(&name);
            }
        }
        left
    }

    /// A pod whose node votes and does not lead.
    pub async fn follower(&mut self) -> String {
        eventually("a follower", async || {
            for name in self.names() {
                if self.view(&name).await?.role == "follower" {
                    return Ok(name);
                }
            }
            Err("nobody follows".to_owned())
        })
        .await
    }

    /// Waits until the Lease names the leader, the labels of the pods say what their nodes are, and the Lease has `cluster`.
    ///
    /// # Panics
    ///
    /// If they do not come to.
    pub async fn is_told(&mut self, cluster: &str) {
        eventually("Lease and labels tell the truth", async || {
            for name in self.names() {
                let role = self.view(&name).await?.role;
                let pod = self.api.object("pods", &name).unwrap_or_default();
                let label = &pod["metadata"]["labels"]["spindrift.dev/role"];
                if *label != *role {
                    return Err(format!("{name} is {role}, and its label says {label}"));
                }
                let lease = lease(&self.api);
                let holder = &lease["spec"]["holderIdentity"];
                if (*holder == *name) != (role == "leader") {
                    return Err(format!("{name} is {role}, and the Lease is {holder}'s"));
                }
                let recorded = &lease["metadata"]["annotations"]["spindrift.dev/cluster"];
                if *recorded != *cluster {
                    return Err(format!("the Lease records {recorded}, and not {cluster}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits for an Event whose reason is one of `reasons` and whose note has `part` in it.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn event(&self, reason: &str, part: &str) {
        eventually(format!("an Event {reason} of {part}"), async || {
            let events = self.api.objects("events");
            let fits = |event: &Value| {
                let note = event["note"].as_str().unwrap_or_default();
                event["reason"] == reason && note.contains(part)
            };
            if events.iter().any(fits) {
                Ok(())
            } else {
                Err(events)
            }
        })
        .await;
    }
}
