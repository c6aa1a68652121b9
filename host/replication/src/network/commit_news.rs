//! Lets the news of a commit travel with the next entries.
//!
//! A follower learns that entries are committed from the next message of the leader, and openraft makes one at once that
//! has nothing else in it. It costs both nodes as much as one with entries, and comes when the next entries are about to:
//! with a client that writes one value after the other, every second message was one. So it waits for entries a little,
//! unless a follower wants to know: one that reads waits until it has applied what is committed.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{Fuse, Stream, StreamExt, unfold};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use crate::types::TypeConfig;

/// The longest that the news of a commit waits for entries. The clock of the event loop ticks in milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// Who wants to know of commits at once.
#[derive(Clone, Debug, Default)]
pub struct CommitNews(watch::Sender<()>);

impl CommitNews {
    /// A follower has asked for the read index: it waits for what it has been told, or soon will.
    pub fn want(&self) {
        self.0.send_replace(());
    }

    /// The requests of one stream, of which those that only bring news of a commit wait for entries.
    pub(super) fn with_next_entries<S: Stream<Item = Request> + Unpin>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Request> + use<S> {
        let stream = WithNextEntries {
            requests: requests.fuse(),
            wanted: self.0.subscribe(),
            entries_went_before: false,
            timer: Box::pin(sleep(Duration::ZERO)),
        };
        unfold(stream, |mut stream| async move {
            let request = stream.next().await?;
            Some((request, stream))
        })
    }
}

/// What the leader asks of a follower.
pub(super) type Request = AppendEntriesRequest<TypeConfig>;

struct WithNextEntries<S> {
    requests: Fuse<S>,
    wanted: watch::Receiver<()>,
    /// Before the first entries, a request asks what the follower's log holds, or is a heartbeat.
    entries_went_before: bool,
    /// Goes off when news may have waited for long enough. It is left to run when entries come first, and set again only
    /// once it has gone off: to set one that is nearer than all others costs a system call, which each write would pay.
    timer: Pin<Box<Sleep>>,
}

impl<S: Stream<Item = Request> + Unpin> WithNextEntries<S> {
    async fn next(&mut self) -> Option<Request> {
        self.wanted.mark_unchanged();
        let mut request = self.requests.next().await?;
        if request.entries.is_empty() && self.entries_went_before {
            let due = Instant::now() + PATIENCE;
            loop {
                tokio::select! {
                    // It brings the same news, and maybe newer.
                    Some(next) = self.requests.next() => {
                        request = next;
                        break;
                    }
                    Ok(()) = self.wanted.changed() => break,
                    () = self.timer.as_mut() => {
                        if Instant::now() >= due {
                            break;
                        }
                        self.timer.as_mut().reset(due);
                    }
                }
            }
        }
        self.entries_went_before |= !request.entries.is_empty();
        Some(request)
    }
}
