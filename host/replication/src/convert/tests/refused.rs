//! What becomes of messages that no node would send.

use super::*;

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
