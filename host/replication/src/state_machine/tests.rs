//! What the state machine makes of entries, whichever node it is on.

use futures::stream;
use openraft::storage::{IOFlushed, RaftLogStorage};
use spindrift_store::{Applied, Commit, ReadSet, StoreId, StoreLimits, Stores, Write};

use super::*;
use crate::command::encode_commits;

const STORE: StoreId = StoreId::new(0);

/// A node that makes commits.
const ORIGIN: NodeId = 1;

/// The state machine of a node that is configured with this limit.
fn machine(max_total_bytes: u64) -> StateMachine {
    let limits = StoreLimits {
        max_total_bytes,
        ..StoreLimits::default()
    };
    let stores = Stores::new([("default".to_owned(), limits)].into());
    let map = Arc::new(Map::new(stores));
    let (mut machine, _) = StateMachine::new(map, ReplicationMetrics::default(), Faults::default());
    machine
        .bookkeeping
        .origins
        .set_members([ORIGIN].into_iter());
    machine
}

fn limit(max_total_bytes: u64) -> Command {
    Command::SetLimits {
        max_total_bytes: vec![max_total_bytes],
    }
}

/// A batch of one commit.
fn batch(sequence: u64, write: Write) -> Command {
    let commit = Commit {
        reads: ReadSet::default(),
        writes: vec![write],
    };
    Command::Batch(Batch {
        origin: ORIGIN,
        sequence,
        settled: 0,
        commits: encode_commits([&commit]),
    })
}

fn put(sequence: u64, key: &str, bytes: usize) -> Command {
    batch(sequence, Write::set(STORE, key, &vec![0; bytes]))
}

#[test]
fn commits_are_checked_against_the_limit_in_the_log_whatever_a_node_is_configured_with() {
    let log = [
        limit(1_000),
        put(1, "a", 500),
        put(2, "b", 500),
        limit(2_000),
        put(3, "b", 500),
        limit(100),
        put(4, "c", 0),
        batch(5, Write::delete(STORE, "a")),
        put(6, "b", 499),
    ];
    let [few, many] = [10, 1 << 30].map(|configured| {
        let mut machine = machine(configured);
        let replies = log.clone().map(|command| machine.apply_command(command).0);
        assert_eq!(machine.map.max_total_bytes(STORE), 100);
        replies
    });
    assert_eq!(few, many);
    let applied = few.iter().filter_map(|reply| match reply {
        Reply::Batch(BatchReply::Applied(commits)) => Some(commits.as_slice()),
        _ => None,
    });
    let full = |limit_bytes, needed_bytes| Applied::Full {
        store: STORE,
        limit_bytes,
        needed_bytes,
    };
    let committed = |revision| Applied::Committed { revision };
    assert_eq!(
        applied.collect::<Vec<_>>().concat(),
        [
            committed(1),
            full(1_000, 1_130),
            committed(2),
            full(100, 1_195),
            committed(3),
            committed(4),
        ]
    );
}

#[tokio::test]
async fn a_snapshot_brings_the_limit_along() {
    let mut sender = machine(10);
    for command in [limit(1_000), put(1, "a", 500)] {
        sender.apply_command(command);
    }
    let snapshot = sender.cut();
    let mut receiver = machine(1 << 30);
    let installed = receiver.install_snapshot(&snapshot.meta, snapshot.snapshot);
    installed.await.expect("a snapshot");
    assert_eq!(receiver.map.entries(STORE), 1);
    assert_eq!(receiver.map.max_total_bytes(STORE), 1_000);
}

/// Members that speak up to these versions of the protocol.
fn members(newest: &[u32]) -> StoredMembership {
    let nodes = (1..).zip(newest).map(|(node, protocol)| {
        let member = Member {
            protocol: *protocol,
            ..Member::default()
        };
        (node, member)
    });
    let nodes: BTreeMap<NodeId, Member> = nodes.collect();
    StoredMembership::new(None, Membership::from(nodes))
}

fn version(version: u32) -> Command {
    Command::BringIntoForce {
        version: Version(version),
    }
}

#[test]
fn a_version_comes_into_force_once_all_members_speak_it_and_stays() {
    let mut machine = machine(1_000);
    let in_force = machine.in_force();
    let mut after = |members: Option<&[u32]>, proposed: u32| {
        if let Some(newest) = members {
            machine.set_membership(self::members(newest));
        }
        machine.apply_command(version(proposed));
        assert_eq!(*in_force.borrow(), machine.bookkeeping.version);
        machine.bookkeeping.version.map(|version| version.0)
    };
    assert_eq!(after(Some(&[4, 5, 5]), 5), None);
    assert_eq!(after(None, 4), Some(4));
    // A member that has not said which it speaks speaks the first of them.
    assert_eq!(after(Some(&[0, 5, 5]), 5), Some(4));
    assert_eq!(after(Some(&[5, 6, 5]), 6), Some(4));
    assert_eq!(after(None, 5), Some(5));
    assert_eq!(after(Some(&[6, 6, 6]), 4), Some(5));
    assert_eq!(after(None, 6), Some(6));
}

#[tokio::test]
async fn a_snapshot_brings_the_version_in_force_along() {
    let mut sender = machine(10);
    sender.apply_command(version(5));
    let snapshot = sender.cut();
    let mut receiver = machine(10);
    let in_force = receiver.in_force();
    let installed = receiver.install_snapshot(&snapshot.meta, snapshot.snapshot);
    installed.await.expect("a snapshot");
    assert_eq!(*in_force.borrow(), Some(Version(5)));
    receiver.apply_command(version(4));
    assert_eq!(receiver.bookkeeping.version, Some(Version(5)));
}

/// What is applied to the map after it would be applied again by the one that goes on.
#[tokio::test]
async fn one_that_has_been_succeeded_changes_nothing_any_more() {
    let mut sender = machine(1_000);
    sender.apply_command(put(1, "a", 50));
    let snapshot = sender.cut();
    let mut retired = machine(1_000);
    let log_id = LogId::new(LeaderTerm::new(1), 1);
    let entry = Entry::new(log_id, EntryPayload::Normal(put(1, "b", 50)));
    let mut log = Log::default();
    let remains = retired.retire(&log);
    let appended = log.append([entry.clone()], IOFlushed::noop()).await;
    appended.expect_err("closed");
    let applied = retired.apply(stream::iter([Ok((entry, None))])).await;
    applied.expect_err("retired");
    let installed = retired.install_snapshot(&snapshot.meta, snapshot.snapshot);
    installed.await.expect_err("retired");
    assert_eq!(retired.map.entries(STORE), 0);
    assert_eq!(retired.last_applied, remains.last_applied);
}
