//! Which batches of which node were applied, so that one that is sent again is applied once.
//!
//! After Ongaro, "Consensus: Bridging Theory and Practice" (2014), section 6.3. A node's record lives as long as its
//! membership, and holds the replies to the batches from the first one on that the node has not declared settled: two as a
//! rule, and never more than [`MAX_REMEMBERED_REPLIES`](super::submit::MAX_REMEMBERED_REPLIES).

use std::collections::BTreeMap;

use super::command::{BatchReply, EmptyReply, Refusal};
use super::protocol as wire;
use super::types::NodeId;

/// The records of all members.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<NodeId, OriginRecord>);

/// What is known of one node's batches.
#[derive(Clone, Debug, Default)]
pub struct OriginRecord {
    /// No batch below this is applied any more.
    settled: u64,
    /// Of batches from `settled` on.
    replies: BTreeMap<u64, BatchReply>,
}

/// What is to be done with a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// Apply it, it is new.
    New,
    /// Answer this.
    Answer(BatchReply),
}

impl Origins {
    /// Takes in that a node has settled its batches below `settled`, and says what to do with batch `sequence` of it.
    pub fn look_up(&mut self, node: NodeId, sequence: u64, settled: u64) -> Known {
        let Some(record) = self.0.get_mut(&node) else {
            return Known::Answer(BatchReply::Refused(Refusal::NotAMember));
        };
        if settled > record.settled {
            record.settled = settled;
            record.replies = record.replies.split_off(&settled);
        }
        if sequence < record.settled {
            return Known::Answer(BatchReply::Refused(Refusal::Settled));
        }
        match record.replies.get(&sequence) {
            Some(reply) => Known::Answer(reply.clone()),
            None => Known::New,
        }
    }

    /// Remembers the answer to a new batch.
    pub fn remember(&mut self, node: NodeId, sequence: u64, reply: BatchReply) {
        if let Some(record) = self.0.get_mut(&node) {
            record.replies.insert(sequence, reply);
        }
    }

    /// Keeps records of these nodes and of no others: a node that was removed never comes back under its id.
    pub fn set_members(&mut self, members: impl Iterator<Item = NodeId>) {
        let mut old = std::mem::take(&mut self.0);
        for member in members {
            let record = old.remove(&member).unwrap_or_default();
            self.0.insert(member, record);
        }
    }

    /// Adds the record of a node, as a snapshot has it.
    pub fn insert(&mut self, node: NodeId, record: OriginRecord) {
        self.0.insert(node, record);
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &OriginRecord)> {
        self.0.iter().map(|(node, record)| (*node, record))
    }
}

impl OriginRecord {
    /// As it travels in a snapshot.
    #[must_use]
    pub fn encode(&self, node: NodeId) -> wire::OriginRecord {
        let batches = self
            .replies
            .iter()
            .map(|(sequence, reply)| wire::BatchRecord {
                sequence: *sequence,
                reply: Some(reply.into()),
            });
        wire::OriginRecord {
            node,
            settled: self.settled,
            batches: batches.collect(),
        }
    }

    /// From a snapshot.
    ///
    /// # Errors
    ///
    /// A reply in it says nothing.
    pub fn decode(record: wire::OriginRecord) -> Result<(NodeId, Self), EmptyReply> {
        let replies = record.batches.into_iter().map(|batch| {
            let reply = batch.reply.ok_or(EmptyReply)?;
            Ok((batch.sequence, reply.try_into()?))
        });
        let decoded = Self {
            settled: record.settled,
            replies: replies.collect::<Result<_, EmptyReply>>()?,
        };
        Ok((record.node, decoded))
    }
}

#[cfg(test)]
mod tests {
    use spindrift_store::Applied;

    use super::*;

    fn reply(revision: u64) -> BatchReply {
        BatchReply::Applied(vec![Applied::Committed { revision }])
    }

    fn member() -> Origins {
        let mut origins = Origins::default();
        origins.set_members([7].into_iter());
        origins
    }

    #[test]
    fn a_batch_that_comes_again_gets_the_answer_of_its_first_time() {
        let mut origins = member();
        assert_eq!(origins.look_up(7, 3, 1), Known::New);
        origins.remember(7, 3, reply(9));
        assert_eq!(origins.look_up(7, 3, 1), Known::Answer(reply(9)));
        assert_eq!(
            origins.look_up(7, 2, 1),
            Known::New,
            "batches may overtake each other"
        );
    }

    #[test]
    fn a_settled_batch_is_never_applied_again() {
        let mut origins = member();
        origins.remember(7, 3, reply(9));
        assert_eq!(origins.look_up(7, 5, 4), Known::New);
        let settled = Known::Answer(BatchReply::Refused(Refusal::Settled));
        assert_eq!(origins.look_up(7, 3, 1), settled);
        let record = origins
            .iter()
            .next()
            .map(|(_, record)| record.replies.len());
        assert_eq!(record, Some(0), "its reply is forgotten");
    }

    #[test]
    fn a_node_that_is_no_member_applies_nothing_also_after_it_was_one() {
        let mut origins = member();
        origins.remember(7, 3, reply(9));
        origins.set_members([8].into_iter());
        let refused = Known::Answer(BatchReply::Refused(Refusal::NotAMember));
        assert_eq!(origins.look_up(7, 3, 1), refused);
        assert_eq!(origins.look_up(8, 1, 1), Known::New);
    }

    #[test]
    fn a_record_travels_whole() {
        let mut origins = member();
        origins.look_up(7, 2, 2);
        origins.remember(7, 2, reply(9));
        origins.remember(7, 4, BatchReply::Refused(Refusal::Damaged));
        let (node, record) = origins.iter().next().unwrap();
        let (decoded_node, decoded) = OriginRecord::decode(record.encode(node)).unwrap();
        assert_eq!((decoded_node, decoded.settled), (7, 2));
        assert_eq!(decoded.replies, record.replies);
    }
}
