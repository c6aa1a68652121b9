//! What becomes of messages that a later version may send.

use super::*;

/// What a later version may add to messages of this one.
mod messages {
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
        pub log_id: Option<super::super::wire::LogId>,
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
        let later = messages::Member {
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
    let later = messages::Entry {
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
