//! Withholds replies that would make openraft believe in a majority that it has not heard of.
//!
//! openraft 0.10.0-alpha.37 pairs a reply of a follower with requests by log id alone, and takes the last request that it
//! covers for the one that is answered. A request without entries, for a heartbeat or the news of a commit, has the log id of
//! the one before it. So a reply to the earlier one counts as if the later one had been answered, which was sent after it:
//! a leader that was paused for long reads the replies that have waited for it, and believes that its majority follows it
//! still. A linearizable read would be of the past then.
//!
//! A reply that is late, and that a later request of the same log id has been made since, is withheld here; the reply to
//! that one takes its place. What is left of the error is no more than what counts as late, and reads leave as much of the
//! follower's lease unused, see [`vote_lease`](crate::replication::vote_lease).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::commit_news::Request;
use super::cutoff::Outcome;
use crate::replication::types::LogId;

/// The requests of one stream that have not been answered, in the order in which they were sent.
#[derive(Clone, Default)]
pub(super) struct Unanswered(Arc<Mutex<VecDeque<Sent>>>);

struct Sent {
    at: Instant,
    last: Option<LogId>,
    /// Whether openraft has made a request with the same log id since.
    repeated: bool,
}

impl Unanswered {
    /// Notes the requests that openraft makes.
    pub fn made<S: Stream<Item = Request>>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Request> + use<S> {
        let unanswered = self.0.clone();
        requests.inspect(move |request| {
            if let Some(before) = unanswered.lock().back_mut() {
                before.repeated |= before.last == last_of(request);
            }
        })
    }

    /// Notes the requests that are sent, of those that were made.
    pub fn sent<S: Stream<Item = Request>>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Request> + use<S> {
        let unanswered = self.0.clone();
        requests.inspect(move |request| {
            unanswered.lock().push_back(Sent {
                at: Instant::now(),
                last: last_of(request),
                repeated: false,
            });
        })
    }

    /// The results, one for each request that was sent and in their order, without those that came after more than `late`
    /// and would be taken for others'.
    pub fn results<R: Stream<Item = Outcome>>(
        self,
        results: R,
        late: Duration,
    ) -> impl Stream<Item = Outcome> + use<R> {
        results.filter(move |result| {
            let sent = self.0.lock().pop_front();
            let withheld = matches!(result, Ok(Ok(_)))
                && sent.is_some_and(|sent| sent.repeated && sent.at.elapsed() > late);
            std::future::ready(!withheld)
        })
    }
}

/// The last log id that a follower has once it has taken in a request.
fn last_of(request: &Request) -> Option<LogId> {
    let last = request.entries.last().map(RaftEntry::log_id);
    last.or(request.prev_log_id)
}
