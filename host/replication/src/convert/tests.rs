//! What becomes of openraft's types on their way to another node. What no node would send is in `refused.rs`, and what nodes of
//! later versions send in `later.rs`.

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::command::{Batch, Command, decode_commits, encode_commits};
use crate::types::{
    ClusterId, Entry, Member, Membership, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::versions::Version;

mod later;
mod refused;

/// What arrives of a message.
fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("a message")
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..5u64, 0..=MAX_COUNT]
}

fn log_id() -> impl Strategy<Value = LogId> {
    (count(), count()).prop_map(|(term, index)| LogId::new(LeaderTerm::new(term), index))
}

fn some_vote() -> impl Strategy<Value = Vote> {
    (count(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| match committed {
        true => Vote::new_committed(term, node),
        false => Vote::new(term, node),
    })
}

fn leader_vote() -> impl Strategy<Value = Vote> {
    (count(), any::<u64>()).prop_map(|(term, node)| Vote::new_committed(term, node))
}

fn candidate_vote() -> impl Strategy<Value = Vote> {
    (count(), any::<u64>()).prop_map(|(term, node)| Vote::new(term, node))
}

fn member() -> impl Strategy<Value = Member> {
    let texts = (".{0,20}", ".{0,9}", ".{0,9}");
    (texts, any::<u64>(), any::<u32>()).prop_map(
        |((peer, version, machine), vote_lease_ms, protocol)| Member {
            peer,
            version,
            vote_lease_ms,
            protocol,
            machine,
        },
    )
}

fn membership() -> impl Strategy<Value = Membership> {
    let voters = vec(btree_set(0..9u64, 1..5), 1..3);
    let learners = btree_map(9..99u64, member(), 0..4);
    (voters, learners, member()).prop_map(|(voters, learners, member)| {
        let mut nodes = learners;
        nodes.extend(voters.iter().flatten().map(|node| (*node, member.clone())));
        Membership::new(voters, nodes).expect("every voter is a member")
    })
}

fn payload() -> impl Strategy<Value = EntryPayload<Command, u64, Member>> {
    let batch = (any::<[u64; 3]>(), vec(any::<u8>(), 0..50)).prop_map(|(numbers, commits)| {
        let [origin, sequence, settled] = numbers;
        EntryPayload::Normal(Command::Batch(Batch {
            origin,
            sequence,
            settled,
            commits: commits.into(),
        }))
    });
    let allocate =
        any::<u128>().prop_map(|nonce| EntryPayload::Normal(Command::AllocateNode { nonce }));
    let limits = vec(any::<u64>(), 0..4)
        .prop_map(|max_total_bytes| EntryPayload::Normal(Command::SetLimits { max_total_bytes }));
    let version = (1..=u32::MAX).prop_map(|version| {
        let version = Version(version);
        EntryPayload::Normal(Command::BringIntoForce { version })
    });
    prop_oneof![
        Just(EntryPayload::Blank),
        batch,
        allocate,
        limits,
        version,
        membership().prop_map(EntryPayload::Membership),
    ]
}

fn append() -> impl Strategy<Value = AppendEntriesRequest<TypeConfig>> {
    let option = proptest::option::of;
    (
        leader_vote(),
        option(log_id()),
        vec(payload(), 0..5),
        option(log_id()),
    )
        .prop_map(|(mut vote, prev_log_id, payloads, leader_commit)| {
            // The highest index leaves room for those that follow.
            let prev_log_id = prev_log_id.map(|log_id| {
                LogId::new(
                    *log_id.committed_leader_id(),
                    log_id.index.min(MAX_COUNT - 9),
                )
            });
            let leader = prev_log_id.map_or_else(
                || LeaderTerm::new(1),
                |log_id| *log_id.committed_leader_id(),
            );
            vote.leader_id.term = vote.leader_id.term.max(leader.term);
            let first = prev_log_id.map_or(0, |log_id| log_id.index + 1);
            let entries = (first..).zip(payloads);
            AppendEntriesRequest {
                vote,
                prev_log_id,
                entries: entries
                    .map(|(index, payload)| Entry::new(LogId::new(leader, index), payload))
                    .collect(),
                leader_commit,
            }
        })
}

proptest! {
    #[test]
    fn an_append_arrives_as_it_was_sent(request in append()) {
        let arrived = AppendEntriesRequest::try_from(sent(&wire::AppendRequest::from(&request)));
        let arrived = arrived.expect("readable");
        prop_assert_eq!(arrived.vote, request.vote);
        prop_assert_eq!(arrived.prev_log_id, request.prev_log_id);
        prop_assert_eq!(arrived.entries, request.entries);
        prop_assert_eq!(arrived.leader_commit, request.leader_commit);
    }

    #[test]
    fn the_result_of_an_append_arrives_as_it_was_sent(
        log_id in log_id(),
        vote in some_vote(),
    ) {
        for result in [
            Ok(None),
            Ok(Some(log_id)),
            Err(StreamAppendError::Conflict(log_id)),
            Err(StreamAppendError::HigherVote(vote)),
        ] {
            let arrived = append_result(sent(&wire::AppendReply::from(result.clone())));
            prop_assert_eq!(arrived, Ok(result));
        }
    }

    #[test]
    fn a_vote_and_its_answer_arrive_as_they_were_sent(
        asked in candidate_vote(),
        vote in some_vote(),
        last in proptest::option::of(log_id()),
        [leadership_transfer, pre_vote, granted]: [bool; 3],
    ) {
        let mut request = VoteRequest::<TypeConfig>::new(asked, last);
        request.leadership_transfer = leadership_transfer;
        let message = sent(&vote_request(&request, pre_vote));
        prop_assert_eq!(message.pre_vote, pre_vote);
        prop_assert_eq!(VoteRequest::try_from(message), Ok(request));

        let response = VoteResponse::<TypeConfig>::new(vote, last, granted);
        let arrived = VoteResponse::try_from(sent(&wire::VoteReply::from(&response)));
        prop_assert_eq!(arrived, Ok(response));
    }

    #[test]
    fn a_transfer_of_leadership_arrives_as_it_was_sent(
        vote in leader_vote(),
        to: u64,
        last in proptest::option::of(log_id()),
    ) {
        let request = TransferLeaderRequest::<TypeConfig>::new(vote, to, last);
        let arrived = sent(&wire::TransferLeaderRequest::from(&request));
        let arrived = TransferLeaderRequest::<TypeConfig>::try_from(arrived).expect("readable");
        prop_assert_eq!(arrived.from_leader(), request.from_leader());
        prop_assert_eq!(arrived.to_node_id(), request.to_node_id());
        prop_assert_eq!(arrived.last_log_id(), request.last_log_id());
    }

    #[test]
    fn the_head_of_a_snapshot_arrives_as_it_was_sent(
        mut vote in leader_vote(),
        last_log_id in proptest::option::of(log_id()),
        at in proptest::option::of(log_id()),
        membership in membership(),
    ) {
        let last_term = last_log_id.map_or(0, |last| last.committed_leader_id().term);
        vote.leader_id.term = vote.leader_id.term.max(last_term);
        let meta = SnapshotMeta {
            last_log_id,
            last_membership: StoredMembership::new(at, membership),
        };
        let arrived = snapshot_meta(sent(&snapshot_head(&vote, &meta)));
        prop_assert_eq!(arrived, Ok((vote, meta)));
    }

    /// Whatever a peer's bytes are taken for, they are turned down or taken, and nothing else.
    #[test]
    fn bytes_of_any_kind_are_no_harm(bytes: Vec<u8>) {
        let bytes = bytes.as_slice();
        if let Ok(message) = wire::AppendRequest::decode(bytes) {
            let _ = AppendEntriesRequest::try_from(message);
        }
        if let Ok(message) = wire::AppendReply::decode(bytes) {
            let _ = append_result(message);
        }
        if let Ok(message) = wire::VoteRequest::decode(bytes) {
            let _ = VoteRequest::try_from(message);
        }
        if let Ok(message) = wire::SnapshotHead::decode(bytes) {
            let _ = snapshot_meta(message);
        }
    }
}

#[test]
fn a_refusal_to_lead_says_why() {
    let refusal = TransferLeaderError::<TypeConfig>::LogNotFlushed {
        expected: None,
        actual: None,
    };
    let said = refusal.to_string();
    assert_eq!(wire::TransferLeaderReply::from(Err(refusal)).refusal, said);
    assert!(!said.is_empty());
    assert_eq!(wire::TransferLeaderReply::from(Ok(())).refusal, "");
}

#[test]
fn a_default_membership_arrives_as_it_was_sent() {
    let stored = StoredMembership::default();
    let arrived = StoredMembership::try_from(sent(&wire::StoredMembership::from(&stored)));
    assert_eq!(arrived, Ok(stored));
}

#[test]
fn a_cluster_id_arrives_as_it_was_sent() {
    let id = ClusterId(0x0123_4567_89ab_cdef);
    assert_eq!(ClusterId::from_bytes(&id.to_bytes()), Some(id));
    assert_eq!(ClusterId::from_bytes(&id.to_bytes()[1..]), None);
    assert_eq!(id.to_string(), "00000000000000000123456789abcdef");
}
