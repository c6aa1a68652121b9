//! One openraft node, and peers that a test plays: enough to show a fault of openraft without anything of this repository.
//!
//! Node 1 is openraft. It keeps its log in memory ([`store`]). The other nodes grant it every vote, and a test answers the
//! entries that node 1 sends to them ([`peers`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use openraft::Config;
use openraft::impls::leader_id_std;
use openraft::type_config::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, VoteOf};

pub mod peers;
pub mod store;

openraft::declare_raft_types!(
    /// Entries are numbers, and nothing comes of them.
    pub TypeConfig:
        D = u64,
        R = (),
        NodeId = u64,
        Node = (),
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

pub type Entry = EntryOf<TypeConfig>;
pub type Leader = CommittedLeaderIdOf<TypeConfig>;
pub type LogId = LogIdOf<TypeConfig>;
pub type Raft = openraft::Raft<TypeConfig, store::Nothing>;
pub type Vote = VoteOf<TypeConfig>;

/// Node 1, which is the only openraft node here.
pub const NODE: u64 = 1;

/// Starts node 1. It sends nothing but what its log makes it send, and stands for election only when it is told to.
pub async fn start(network: peers::Peers, log: store::Log) -> Raft {
    let config = Config {
        enable_heartbeat: false,
        enable_elect: false,
        ..Config::default()
    };
    let config = Arc::new(config.validate().expect("a valid configuration"));
    Raft::new(NODE, config, network, log, store::Nothing::default())
        .await
        .expect("a node that starts")
}

/// Forms a cluster of node 1 and `others`, and has node 1 elected.
pub async fn lead(raft: &Raft, others: &[u64]) {
    let members = others.iter().chain([&NODE]).map(|node| (*node, ()));
    raft.initialize(members.collect::<BTreeMap<_, _>>())
        .await
        .expect("a cluster is formed");
    raft.trigger().elect(true).await.expect("a running node");
    raft.wait(Some(peers::PATIENCE))
        .current_leader(NODE, "node 1 is elected")
        .await
        .expect("a leader");
}
