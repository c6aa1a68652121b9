//! What becomes of openraft's types on their way to another node, and of what no node would send.

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
use crate::replication::command::{Batch, Command, decode_commits, encode_commits};
use crate::replication::types::{
    ClusterId, Entry, Member, Membership, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::replication::versions::Version;

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

fn at(term: u64, index: u64) -> wire::LogId {
    wire::LogId { term, index }
}

fn blank(log_id: Option<wire::LogId>) -> wire::Entry {
    wire::Entry {
        log_id,
        payload: Some(wire::entry::Payload::Blank(wire::Blank {})),
    }
}

/// A request that could be taken, with these entries after the one at 5 in term 3.
fn request(entries: Vec<wire::Entry>) -> wire::AppendRequest {
    wire::AppendRequest {
        vote: Some(wire::Vote {
            term: 4,
            node: 1,
            committed: true,
        }),
        prev_log_id: Some(at(3, 5)),
        entries,
        leader_commit: None,
    }
}

fn refused(request: wire::AppendRequest) -> &'static str {
    match AppendEntriesRequest::<TypeConfig>::try_from(request) {
        Ok(request) => panic!("taken: {request}"),
        Err(Malformed(reason)) => reason,
    }
}

#[test]
fn entries_of_a_later_term_than_the_vote_are_refused() {
    let later = vec![blank(Some(at(4, 6))), blank(Some(at(5, 7)))];
    let reason = refused(request(later));
    assert_eq!(reason, "its entries are of a later term than its vote");
}

#[test]
fn entries_that_do_not_follow_each_other_are_refused() {
    let good = vec![blank(Some(at(3, 6))), blank(Some(at(4, 7)))];
    AppendEntriesRequest::<TypeConfig>::try_from(request(good)).expect("taken");
    for entries in [
        vec![at(3, 5)],
        vec![at(3, 7)],
        vec![at(3, 6), at(3, 8)],
        vec![at(3, 6), at(3, 6)],
        // Of a term before that of the one before it.
        vec![at(2, 6)],
        vec![at(4, 6), at(3, 7)],
    ] {
        let entries = entries.into_iter().map(|log_id| blank(Some(log_id)));
        let reason = refused(request(entries.collect()));
        assert_eq!(reason, "its entries do not follow each other");
    }
    let mut first = request(vec![blank(Some(at(3, 1)))]);
    first.prev_log_id = None;
    assert_eq!(refused(first), "its entries do not follow each other");
}

#[test]
fn numbers_that_could_not_be_counted_on_are_refused() {
    for beyond in [MAX_COUNT + 1, u64::MAX] {
        for log_id in [at(beyond, 1), at(1, beyond)] {
            assert!(LogId::try_from(log_id).is_err(), "{log_id:?}");
            let mut append = request(vec![]);
            append.prev_log_id = Some(log_id);
            assert_eq!(refused(append), "a log id is beyond all that can be");
            let mut append = request(vec![]);
            append.leader_commit = Some(log_id);
            assert_eq!(refused(append), "a log id is beyond all that can be");
        }
        let mut append = request(vec![]);
        append.vote = Some(wire::Vote {
            term: beyond,
            node: 1,
            committed: true,
        });
        assert_eq!(refused(append), "a term is beyond all that can be");
    }
    // The last index that is believed has none after it, and is not counted on from.
    let mut append = request(vec![blank(Some(at(3, MAX_COUNT + 1)))]);
    append.prev_log_id = Some(at(3, MAX_COUNT));
    assert_eq!(refused(append), "a log id is beyond all that can be");
}

#[test]
fn messages_that_lack_something_are_refused() {
    let mut without_vote = request(vec![]);
    without_vote.vote = None;
    assert_eq!(refused(without_vote), "it has no vote");
    assert_eq!(
        refused(request(vec![blank(None)])),
        "an entry has no log id"
    );
    let mut nothing = blank(Some(at(3, 6)));
    nothing.payload = None;
    assert_eq!(
        refused(request(vec![nothing])),
        "an entry asks for nothing that this version of spindrift knows"
    );
    let mut nonce = blank(Some(at(3, 6)));
    nonce.payload = Some(wire::entry::Payload::AllocateNode(wire::AllocateNode {
        nonce: Bytes::from_static(&[0; 15]),
    }));
    assert_eq!(refused(request(vec![nonce])), "a nonce is not 16 bytes");
    assert!(append_result(wire::AppendReply::default()).is_err());
    assert!(VoteRequest::<TypeConfig>::try_from(wire::VoteRequest::default()).is_err());
    assert!(VoteResponse::<TypeConfig>::try_from(wire::VoteReply::default()).is_err());
    let transfer = wire::TransferLeaderRequest::default();
    assert!(TransferLeaderRequest::<TypeConfig>::try_from(transfer).is_err());
    assert!(snapshot_meta(wire::SnapshotHead::default()).is_err());
}

#[test]
fn a_membership_in_which_nobody_or_everybody_would_be_a_majority_is_refused() {
    let member = wire::Member::default();
    let voters = |nodes: &[u64]| wire::VoterSet {
        nodes: nodes.to_vec(),
    };
    let cases = [
        (vec![], "a membership has no voters"),
        (
            vec![voters(&[])],
            "a set of voters is empty, or has one that is no member",
        ),
        (
            vec![voters(&[1]), voters(&[2])],
            "a set of voters is empty, or has one that is no member",
        ),
    ];
    for (configs, reason) in cases {
        let membership = wire::Membership {
            configs,
            nodes: [(1, member.clone())].into(),
        };
        let refused_membership = Membership::try_from(membership.clone());
        assert_eq!(refused_membership, Err(Malformed(reason)));
        let mut entry = blank(Some(at(3, 6)));
        entry.payload = Some(wire::entry::Payload::Membership(membership));
        assert_eq!(refused(request(vec![entry])), reason);
    }
    // It is what a state machine has before it has heard of any, and no entry's.
    let mut entry = blank(Some(at(3, 6)));
    entry.payload = Some(wire::entry::Payload::Membership(wire::Membership::default()));
    assert_eq!(refused(request(vec![entry])), "a membership has no voters");
}

/// What a later version may add to messages of this one.
mod later {
    use bytes::Bytes;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct Member {
        #[prost(string, tag = "1")]
        pub peer: String,
        #[prost(string, tag = "2")]
        pub version: String,
        #[prost(uint64, tag = "3")]
        pub vote_lease_ms: u64,
        #[prost(uint32, tag = "4")]
        pub protocol: u32,
        #[prost(string, tag = "5")]
        pub machine: String,
        #[prost(string, repeated, tag = "900")]
        pub zones: Vec<String>,
        #[prost(message, optional, boxed, tag = "901")]
        pub standby: Option<Box<Self>>,
        #[prost(fixed64, tag = "902")]
        pub weight: u64,
    }

    /// One of its kinds is unknown here.
    #[derive(Clone, PartialEq, Message)]
    pub struct Entry {
        #[prost(message, optional, tag = "1")]
        pub log_id: Option<super::wire::LogId>,
        #[prost(bytes = "bytes", optional, tag = "77")]
        pub compact: Option<Bytes>,
    }
}

/// `message` with a field at its end that no version knows yet.
fn with_an_unknown_field<M: Message>(message: &M, tag: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = message.encode_to_vec();
    let length = content.len() as u64;
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(length, &mut bytes);
    bytes.extend(content);
    bytes
}

/// Tags that no message has.
fn unknown_tag() -> impl Strategy<Value = u32> {
    100..20_000u32
}

proptest! {
    #[test]
    fn a_member_of_a_later_version_is_read_without_what_is_new(
        member in member(), zones in vec(".{0,9}", 0..3), weight: u64,
    ) {
        let known = wire::Member::from(&member);
        let later = later::Member {
            peer: known.peer,
            version: known.version,
            vote_lease_ms: known.vote_lease_ms,
            protocol: known.protocol,
            machine: known.machine,
            standby: Some(Box::default()),
            zones,
            weight,
        };
        let read = wire::Member::decode(later.encode_to_vec().as_slice()).expect("a member");
        prop_assert_eq!(Member::from(read), member);
    }

    #[test]
    fn unknown_fields_are_skipped(
        append in append(), membership in membership(), tag in unknown_tag(), content: Vec<u8>,
    ) {
        let sent = wire::AppendRequest::from(&append);
        let bytes = with_an_unknown_field(&sent, tag, &content);
        let read = wire::AppendRequest::decode(bytes.as_slice()).expect("a message");
        prop_assert_eq!(read, sent.clone());
        for entry in &sent.entries {
            let bytes = with_an_unknown_field(entry, tag, &content);
            prop_assert_eq!(&wire::Entry::decode(bytes.as_slice()).expect("an entry"), entry);
        }
        let membership = wire::Membership::from(&membership);
        let bytes = with_an_unknown_field(&membership, tag, &content);
        prop_assert_eq!(wire::Membership::decode(bytes.as_slice()).expect("one"), membership);
        let state = wire::SnapshotState { version: 5, next_node: 7, ..Default::default() };
        let bytes = with_an_unknown_field(&state, tag, &content);
        prop_assert_eq!(wire::SnapshotState::decode(bytes.as_slice()).expect("a state"), state);
        let commits = encode_commits([]);
        let bytes = with_an_unknown_field(&wire::Commits::decode(commits).expect("none"), tag, &content);
        prop_assert_eq!(decode_commits(bytes.into()), Ok(Vec::new()));
    }
}

#[test]
fn an_entry_of_an_unknown_kind_is_refused_in_words() {
    let later = later::Entry {
        log_id: Some(wire::LogId { term: 1, index: 1 }),
        compact: Some(Bytes::from_static(b"?")),
    };
    let entry = wire::Entry::decode(later.encode_to_vec().as_slice()).expect("an entry");
    let request = wire::AppendRequest {
        vote: Some((&Vote::new_committed(1, 1)).into()),
        prev_log_id: Some(wire::LogId { term: 1, index: 0 }),
        entries: vec![entry],
        leader_commit: None,
    };
    let refused = AppendEntriesRequest::try_from(request).expect_err("refused");
    let words = "an entry asks for nothing that this version of spindrift knows";
    assert_eq!(refused, Malformed(words));
}
