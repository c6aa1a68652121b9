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
//! follower's lease unused, see [`vote_lease`](crate::vote_lease). What was answered before the machine was
//! suspended is late, whatever the clock says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::commit_news::Request;
use super::cutoff::Outcome;
use crate::suspension::SuspendedFor;
use crate::types::LogId;

/// The requests of one stream that have not been answered, in the order in which they were sent.
#[derive(Clone)]
pub(super) struct Unanswered {
    requests: Arc<Mutex<VecDeque<Sent>>>,
    suspended_for: SuspendedFor,
}

struct Sent {
    at: Instant,
    /// For how long the machine had been suspended by then.
    suspended_for: Duration,
    last: Option<LogId>,
    /// Whether openraft has made a request with the same log id since.
    repeated: bool,
}

impl Unanswered {
    /// None yet. By these clocks it is found out whether the machine was suspended meanwhile.
    pub fn none(suspended_for: SuspendedFor) -> Self {
        Self {
            requests: Arc::default(),
            suspended_for,
        }
    }

    /// Notes the requests that openraft makes.
    pub fn made<S: Stream<Item = Request>>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Request> + use<S> {
        let unanswered = self.requests.clone();
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
        let Self {
            requests: unanswered,
            suspended_for,
        } = self.clone();
        requests.inspect(move |request| {
            unanswered.lock().push_back(Sent {
                at: Instant::now(),
                suspended_for: suspended_for.now(),
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
            let sent = self.requests.lock().pop_front();
            let is_late = |sent: Sent| {
                sent.at.elapsed() > late || self.suspended_for.since(sent.suspended_for).is_some()
            };
            let withheld = matches!(result, Ok(Ok(_)))
                && sent.is_some_and(|sent| sent.repeated && is_late(sent));
            std::future::ready(!withheld)
        })
    }
}

/// The last log id that a follower has once it has taken in a request.
fn last_of(request: &Request) -> Option<LogId> {
    let last = request.entries.last().map(RaftEntry::log_id);
    last.or(request.prev_log_id)
}
