//! [`View`]: what a node says of itself and of its cluster on its admin port.

use serde::Deserialize;

/// What a node says of its cluster: `replication` in the answer of `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct View {
    /// The cluster's id.
    pub cluster: Option<String>,
    /// The node's id.
    pub node: Option<u64>,
    /// `leader`, `follower`, `learner` or `joining`.
    pub role: String,
    /// Where other nodes reach it.
    pub address: String,
    /// The term that it is in.
    pub term: u64,
    /// The version of the peers' protocol that is in force.
    pub protocol: Option<u32>,
    /// The leader, if it knows one.
    pub leader: Option<u64>,
    /// The revision of its map.
    pub revision: u64,
    /// How many nodes vote.
    pub voters: usize,
    /// How many do not.
    pub learners: usize,
    /// Why it is not ready, if it is not.
    pub not_ready: Option<String>,
}

impl View {
    /// Reads the answer of `/status`.
    ///
    /// # Errors
    ///
    /// Says what is missing in it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Status {
            replication: Option<View>,
        }
        let status: Status = serde_json::from_slice(body)
            .map_err(|error| format!("/status is {:?}: {error}", String::from_utf8_lossy(body)))?;
        status
            .replication
            .ok_or_else(|| "/status says nothing of replication".to_owned())
    }

    /// Whether the node orders the writes.
    pub fn leads(&self) -> bool {
        self.role == "leader"
    }

    /// Whether the node votes.
    pub fn votes(&self) -> bool {
        self.leads() || self.role == "follower"
    }
}

/// Whether nodes, which are all that run, agree on one cluster with all of them in it and so many voters.
///
/// # Errors
///
/// Says what is not so yet.
pub fn agree(views: &[View], voters: usize) -> Result<(), String> {
    let Some(first) = views.first() else {
        return Err("no node runs".to_owned());
    };
    for view in views {
        if let Some(reason) = &view.not_ready {
            return Err(format!("{} is not ready: {reason}", view.address));
        }
        if (&view.cluster, view.leader) != (&first.cluster, first.leader) || view.leader.is_none() {
            return Err(format!(
                "{} follows node {:?} of cluster {:?}, and {} node {:?} of {:?}",
                view.address, view.leader, view.cluster, first.address, first.leader, first.cluster
            ));
        }
        if (view.voters, view.voters + view.learners) != (voters, views.len()) {
            return Err(format!(
                "{} knows {} voters and {} learners; {voters} voters of {} nodes are expected",
                view.address,
                view.voters,
                view.learners,
                views.len()
            ));
        }
    }
    let voting = views.iter().filter(|view| view.votes()).count();
    let leading = views.iter().filter(|view| view.leads()).count();
    if (voting, leading) != (voters, 1) {
        return Err(format!("{voting} nodes vote, and {leading} lead"));
    }
    Ok(())
}
