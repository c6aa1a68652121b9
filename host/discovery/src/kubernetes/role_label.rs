//! The label `spindrift.dev/role` of the own pod: `leader`, `follower` or `learner`, and none while it holds no node.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::{MemberState, Role};
use super::api_server::{ApiServer, CallError};
use super::own_pod::OwnPod;
use super::pacing::Pauses;

const ROLE: &str = "spindrift.dev/role";

/// How often the label is taken off at the process's end, if that fails.
const LAST_TRIES: u32 = 3;

/// What a pod's label says.
pub(crate) fn of(pod: &Pod) -> Option<&str> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get(ROLE).map(String::as_str)
}

/// Makes the label of `own` follow `member`, until `closing`; then it takes the label off.
pub(crate) async fn follow(
    api: Arc<ApiServer>,
    own: OwnPod,
    mut member: watch::Receiver<Option<MemberState>>,
    closing: CancellationToken,
) {
    // What the label says; `None` when that is not known.
    let mut shown = Some(own.labelled.clone());
    let mut pauses = Pauses::new(api.pacing());
    loop {
        let wanted = member
            .borrow_and_update()
            .as_ref()
            .map(|member| word(member.role).to_owned());
        let mut pause = None;
        if shown.as_ref() != Some(&wanted) {
            // Unknown until there is an answer.
            shown = None;
            match label(&api, &own, wanted.as_deref()).await {
                Ok(()) => shown = Some(wanted),
                Err(CallError::NotFound | CallError::Conflict) => return,
                Err(error) => {
                    tracing::debug!("labelling this pod: {error}");
                    pause = Some(pauses.after(&error));
                }
            }
        }
        let again = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        select! {
            () = closing.cancelled() => break,
            changed = member.changed() => if changed.is_err() { break },
            () = again => {}
        }
    }
    if shown == Some(None) {
        return;
    }
    for _ in 0..LAST_TRIES {
        match label(&api, &own, None).await {
            Err(error @ CallError::Away { .. }) => {
                tracing::debug!("taking the label off this pod: {error}");
                sleep(error.pause(api.pacing())).await;
            }
            _ => return,
        }
    }
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Learner => "learner",
    }
}

async fn label(api: &ApiServer, own: &OwnPod, role: Option<&str>) -> Result<(), CallError> {
    // The uid makes it a conflict if another pod has the name by now.
    let patch = json!({ "metadata": { "uid": own.uid, "labels": { ROLE: role } } });
    api.merge::<Pod>(&own.name, &patch).await.map(drop)
}
