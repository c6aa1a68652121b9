//! [`Status`]: a cluster as one of its nodes sees it, for people and for their programs. Asking for it is `remote`'s
//! business, printing it the command line's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde::ser::Serializer;

use super::types::NodeId;

/// The health of a node that serves.
pub const HEALTHY: &str = "ok";

/// A cluster as one of its nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Name of the application that it serves.
    pub application: String,
    /// The cluster's id, 32 hexadecimal digits. `None` while the node belongs to no cluster.
    pub cluster: Option<String>,
    /// The node that answered. `None` while it belongs to no cluster.
    pub node: Option<NodeId>,
    /// The leader, if the node knows one.
    pub leader: Option<NodeId>,
    /// The term that the node is in.
    pub term: u64,
    /// All nodes, in the order of their ids.
    pub nodes: Vec<NodeStatus>,
}

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its id. `None` for one that belongs to no cluster yet.
    pub node: Option<NodeId>,
    /// What it is in the cluster.
    pub role: Role,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// Version of its program.
    pub version: String,
    /// The newest version of the peers' protocol that it speaks, where that is known.
    pub protocol: Option<u32>,
    /// On which machine it runs, where that is known.
    pub machine: Option<String>,
    /// The term that it is in, where that is known.
    pub term: Option<u64>,
    /// The revision of its map, where that is known.
    pub revision: Option<u64>,
    /// How many log entries it is behind the last committed one, where that is known.
    pub lag: Option<u64>,
    /// How long ago the leader last heard of it, where that is known.
    #[serde(rename = "heard_ms", serialize_with = "as_millis")]
    pub heard: Option<Duration>,
    /// [`HEALTHY`], or why it does not serve.
    pub health: String,
}

impl NodeStatus {
    /// Whether it serves.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health == HEALTHY
    }
}

// serde hands the field over by reference.
#[allow(clippy::ref_option)]
fn as_millis<S: Serializer>(heard: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = heard.map(|heard| u64::try_from(heard.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(serializer)
}

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The voter that orders the writes.
    Leader,
    /// A voter that holds what the leader sends.
    Follower,
    /// A node that holds what the leader sends and has no vote.
    Learner,
    /// A node that is looking for a cluster.
    Joining,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Leader, Self::Follower, Self::Learner, Self::Joining];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Learner => "learner",
            Self::Joining => "joining",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A role that no node of this version has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?} of a node; it may be of a newer version")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        let error = "witness".parse::<Role>().unwrap_err();
        assert!(error.to_string().contains("\"witness\""), "{error}");
    }

    #[test]
    fn programs_read_milliseconds_and_null() {
        let mut node = NodeStatus {
            node: Some(7),
            role: Role::Follower,
            address: "127.0.0.1:7001".into(),
            version: "0.1.0".into(),
            protocol: Some(5),
            machine: None,
            term: Some(2),
            revision: Some(100),
            lag: Some(0),
            heard: Some(Duration::from_micros(12_345)),
            health: HEALTHY.into(),
        };
        let json = serde_json::to_value(&node).unwrap();
        assert_eq!(json["heard_ms"], 12);
        assert_eq!(json["node"], 7);
        assert!(json.get("heard").is_none());
        node.heard = None;
        node.node = None;
        let json = serde_json::to_value(&node).unwrap();
        assert_eq!(json["heard_ms"], serde_json::Value::Null);
        assert_eq!(json["node"], serde_json::Value::Null);
    }
}
