//! Events (`events.k8s.io/v1`) of the workload: what `kubectl describe deployment` shows at its end.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as Published;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::select;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::ClusterEvent;
use super::api_server::{ApiServer, Call, CallError};
use super::own_pod::OwnPod;
use super::workload::Workload;

/// How many Events wait while the API server is away; further ones are dropped.
const WAITING: usize = 64;

/// How often an Event is tried.
const TRIES: u32 = 5;

/// What Events are about.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A cluster was formed here.
    Formed {
        /// Its id.
        cluster: String,
        /// The cluster that was recorded before, and has lost all its members.
        instead_of: Option<String>,
    },
    /// The recorded cluster has lost its majority, and this node leads the one that was recovered from it.
    Recovered {
        /// Its id.
        cluster: String,
        /// The one that was recorded before.
        instead_of: String,
    },
    /// This node leads a cluster that is not the recorded one.
    Rival {
        /// The cluster that it leads.
        own: String,
        /// The recorded one.
        recorded: String,
    },
    /// What replication says.
    ClusterEvent(ClusterEvent),
}

/// Takes Events in, without waiting.
#[derive(Clone, Debug)]
pub(crate) struct Events(mpsc::Sender<Happening>);

impl Events {
    /// The sender, and what [`publish`] receives from.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Happening>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Has an Event published, or drops it if too many wait already.
    pub(crate) fn say(&self, happening: Happening) {
        if let Err(TrySendError::Full(dropped)) = self.0.try_send(happening) {
            tracing::debug!("too many Events wait for the API server: {dropped:?} is dropped");
        }
    }
}

/// Publishes what is said, until `closing`; then what still waits, each tried once.
pub(crate) async fn publish(
    api: Arc<ApiServer>,
    own: OwnPod,
    workload: Workload,
    mut said: mpsc::Receiver<Happening>,
    closing: CancellationToken,
) {
    let reporter = Reporter {
        controller: "spindrift.dev/host".into(),
        instance: Some(own.name.clone()),
    };
    let publisher = Publisher {
        recorder: Recorder::new(api.client().clone(), reporter),
        pod: ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(own.name.clone()),
            namespace: Some(api.namespace().to_owned()),
            uid: Some(own.uid.clone()),
            ..ObjectReference::default()
        },
        api,
        own,
        workload,
    };
    loop {
        let happening = select! {
            // What has been said before the end comes out of the loop below.
            biased;
            () = closing.cancelled() => break,
            happening = said.recv() => happening,
        };
        let Some(happening) = happening else { return };
        let event = publisher.event(&happening);
        select! {
            () = closing.cancelled() => {
                publisher.try_once(&event).await.ok();
                break;
            }
            () = publisher.publish(&event) => {}
        }
    }
    said.close();
    while let Some(happening) = said.recv().await {
        let event = publisher.event(&happening);
        if publisher.try_once(&event).await.is_err() {
            return;
        }
    }
}

struct Publisher {
    api: Arc<ApiServer>,
    recorder: Recorder,
    own: OwnPod,
    /// The own one.
    pod: ObjectReference,
    workload: Workload,
}

impl Publisher {
    async fn publish(&self, event: &Event) {
        for _ in 0..TRIES {
            match self.try_once(event).await {
                Err(error @ CallError::Away { .. }) => {
                    tracing::debug!("an Event: {error}");
                    sleep(error.pause(self.api.pacing())).await;
                }
                // It may be refused, or continue one that has expired.
                _ => return,
            }
        }
    }

    async fn try_once(&self, event: &Event) -> Result<(), CallError> {
        let published = self.recorder.publish(event, &self.workload.reference);
        let call = Call::new::<Published>("create");
        self.api.bounded(call, published).await
    }

    /// The Event that tells of something. The recorder makes one that repeats of Events with the same reason and action, so what
    /// has an id of its own has it in the action.
    fn event(&self, happening: &Happening) -> Event {
        let pod = &self.own.name;
        let normal = EventType::Normal;
        let (type_, reason, action, note) = match happening {
            Happening::Formed {
                cluster,
                instead_of: None,
            } => {
                let note = format!("{pod} has formed cluster {cluster}");
                (normal, "ClusterFormed", format!("Form {cluster}"), note)
            }
            Happening::Formed {
                cluster,
                instead_of: Some(lost),
            } => {
                let note = format!(
                    "{pod} has formed the new, empty cluster {cluster}, since no member of cluster {lost} was left: the data \
                     that it held is lost"
                );
                let action = format!("Form {cluster}");
                (EventType::Warning, "ClusterLost", action, note)
            }
            Happening::Recovered {
                cluster,
                instead_of,
            } => {
                let note = format!(
                    "{pod} leads cluster {cluster}, which was recovered from cluster {instead_of}: what only other nodes held is \
                     lost"
                );
                let action = format!("Recover {cluster}");
                (EventType::Warning, "ClusterRecovered", action, note)
            }
            Happening::Rival { own, recorded } => {
                let note = format!(
                    "{pod} leads cluster {own}, and the recorded cluster is {recorded}: they hold different data"
                );
                let action = format!("Lead {own}");
                (EventType::Warning, "RivalCluster", action, note)
            }
            Happening::ClusterEvent(notice) => self.notice(notice),
        };
        Event {
            type_,
            reason: reason.into(),
            note: Some(note),
            action,
            secondary: Some(self.pod.clone()),
        }
    }

    fn notice(&self, notice: &ClusterEvent) -> (EventType, &'static str, String, String) {
        let pod = &self.own.name;
        let normal = EventType::Normal;
        let member = |reason, node: &u64, address: &String, what: &str| {
            let note = format!("node {node} at {address} {what}");
            (normal, reason, format!("{reason} {node}"), note)
        };
        match notice {
            ClusterEvent::Elected { term } => {
                let note = format!("{pod} leads in term {term}");
                (normal, "LeaderElected", format!("Lead {term}"), note)
            }
            ClusterEvent::Joined { node, address } => {
                member("NodeJoined", node, address, "has joined the cluster")
            }
            ClusterEvent::Left { node, address } => {
                member("NodeLeft", node, address, "has left the cluster")
            }
            ClusterEvent::Evicted { node, address } => {
                let what = "is gone, or was silent for too long, and was removed from the cluster";
                member("NodeEvicted", node, address, what)
            }
            ClusterEvent::QuorumLost => {
                let note = format!(
                    "{pod} knows of no leader that reaches a majority: writes have to wait"
                );
                let action = "Wait".to_owned();
                (EventType::Warning, "QuorumLost", action, note)
            }
            ClusterEvent::QuorumRegained => {
                let note = format!("{pod} has a leader again that reaches a majority");
                (normal, "QuorumRegained", "Resume".to_owned(), note)
            }
        }
    }
}
