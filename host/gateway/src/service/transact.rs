//! A request is a transaction: run the component, hold its answer back, commit
//! what it wrote; on a conflict forget the answer and run it again.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use spindrift_runtime::{
    Answer, AnswerBody, Handler, HeldRequest, RequestScope, RunError, SideEffects,
};
use spindrift_store::{CommitError, Consistency, Transaction};
use tokio::time::Instant;

use super::Service;
use crate::problem::Problem;
use crate::readers::{MAX_RELIEVED, RELIEF_PAUSE};
use crate::sending::Expected;

/// How often a request is run before it is given up. Every conflict means that
/// another request has committed, so the store as a whole never stands still.
const MAX_RUNS: u32 = 16;
/// Runs that follow a conflict at once; later ones pause first.
const EAGER_RUNS: u32 = 4;
/// The longest pause before the last run.
const MAX_PAUSE: Duration = Duration::from_millis(20);

impl Service {
    /// Answers `request` with what `handler` says once what it wrote is committed.
    ///
    /// # Errors
    ///
    /// Fails if the component gives no answer, or if nothing could be committed.
    /// Except where the problem says that the outcome is unknown, nothing was
    /// written then. `timeout`, which the request has until its `deadline`, is
    /// for words only. `expected` is the room on the connection for the answer.
    ///
    /// A run after a conflict reads the newest there is, whatever the request
    /// asks for: a node that lags would read the same again, and conflict again.
    pub(crate) async fn transact(
        &self,
        handler: &Arc<Handler>,
        request: &HeldRequest,
        consistency: Consistency,
        deadline: Instant,
        timeout: Duration,
        expected: &mut Option<Expected>,
    ) -> Result<Answer, Problem> {
        let side_effects = SideEffects::default();
        let mut consistency = consistency;
        for run in 1..=MAX_RUNS {
            let backend = self.backend.clone();
            let unfinished = Unfinished::new(Transaction::until(backend, consistency, deadline));
            let scope = RequestScope {
                transaction: unfinished.transaction.clone(),
                side_effects: side_effects.clone(),
                depth: request.depth,
            };
            let transaction = unfinished.transaction.clone();
            // The network is waited for before there is an instance, not while one is held.
            if handler.is_likely_to_read() && transaction.reads_wait() {
                transaction.freshen().await;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(out_of_time(&transaction, run, timeout));
            }
            let answer = handler.run(request, scope, left).await;
            handler.note_reads(transaction.has_read());
            if let Ok(unsent) = &answer {
                self.room_for(unsent, expected)?;
            }
            let outcome = match answer {
                Ok(answer) if answer.head.status.is_server_error() => {
                    unfinished.refuse(answer).await
                }
                Ok(answer) => unfinished.commit(answer).await,
                Err(RunError::Timeout(_)) => return Err(out_of_time(&transaction, 1, timeout)),
                Err(RunError::NoMemory(_) | RunError::NoRoom(_) | RunError::AnswerMemory(_))
                    if run <= MAX_RELIEVED && !side_effects.any() && self.relieve() =>
                {
                    tokio::time::sleep(RELIEF_PAUSE).await;
                    continue;
                }
                Err(error) => unfinished.fail(error).await,
            };
            match outcome {
                Err(Problem::Commit(CommitError::Conflict)) => {
                    self.metrics.conflicts.inc();
                    if side_effects.any() {
                        return Err(Problem::ConflictAfterSideEffect);
                    }
                    tracing::debug!(component = %handler.component(), run, "conflict");
                    consistency = Consistency::Linearizable;
                    pause(run).await;
                }
                outcome => return outcome,
            }
        }
        Err(Problem::TooManyConflicts { runs: MAX_RUNS })
    }

    /// Finds room to hold an answer for its client, beside those that clients have not read. Without it the guest is ended, if
    /// it goes on: nothing is committed yet.
    fn room_for(&self, answer: &Answer, expected: &mut Option<Expected>) -> Result<(), Problem> {
        match (&answer.body, &answer.guest, expected) {
            (AnswerBody::Complete(body, _), _, Some(expected)) => expected
                .has_room_for(body.len())
                .then_some(())
                .ok_or(Problem::Unread),
            (AnswerBody::Streaming(_), Some(guest), _) if !self.streams.admit(guest.task()) => {
                guest.task().abort();
                Err(Problem::TooManyStreams {
                    limit: self.streams.most(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Says what used up the time of a request, as far as earlier runs or the store explain it.
fn out_of_time(transaction: &Transaction, run: u32, timeout: Duration) -> Problem {
    match transaction.unavailable() {
        Some(unavailable) if unavailable.timed_out => Problem::Unavailable(unavailable),
        _ if run > 1 => Problem::ConflictsUntilTimeout {
            runs: run - 1,
            timeout,
        },
        _ => RunError::Timeout(timeout).into(),
    }
}

/// A transaction whose request has not come to its commit. Dropped, because
/// the component failed or the client went away, it tells a guest that goes on
/// that there will be none.
struct Unfinished {
    transaction: Transaction,
    abandon: bool,
}

impl Unfinished {
    fn new(transaction: Transaction) -> Self {
        Unfinished {
            transaction,
            abandon: true,
        }
    }

    /// Commits, and gives the answer back if it may be sent. Dropped meanwhile,
    /// because the client went away, it gives back a commit that still waits;
    /// of one that was taken the outcome counts, and nobody hears of it.
    async fn commit(mut self, answer: Answer) -> Result<Answer, Problem> {
        self.abandon = false;
        match self.transaction.commit().await {
            Ok(_) => Ok(answer),
            Err(error) => {
                answer.discard();
                Err(error.into())
            }
        }
    }

    /// Commits an answer that says that the component failed, unless that was
    /// because the store could not be read: then the store's own reason is the
    /// answer, and the client may try again.
    async fn refuse(self, answer: Answer) -> Result<Answer, Problem> {
        match self.transaction.unavailable() {
            Some(unavailable) => {
                answer.discard();
                Err(Problem::Unavailable(unavailable))
            }
            None => self.commit(answer).await,
        }
    }

    /// Passes the failure of a run on, unless the component could not read the
    /// store, or had read what never was at one moment: that is a conflict.
    async fn fail(mut self, error: RunError) -> Result<Answer, Problem> {
        if let Some(unavailable) = self.transaction.unavailable() {
            return Err(Problem::Unavailable(unavailable));
        }
        self.abandon = false;
        match self.transaction.end_unwritten().await {
            Ok(false) => Err(CommitError::Conflict.into()),
            _ => Err(error.into()),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.abandon {
            self.transaction.abandon();
        }
    }
}

/// Lets others go first, at random, so that requests in each other's way part.
async fn pause(run: u32) {
    if run <= EAGER_RUNS {
        tokio::task::yield_now().await;
        return;
    }
    let most = MAX_PAUSE.as_micros() as u64 * u64::from(run) / u64::from(MAX_RUNS);
    let pause = rand::rng().random_range(0..=most);
    tokio::time::sleep(Duration::from_micros(pause)).await;
}
