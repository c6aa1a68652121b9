//! One run of a handler on one request: from the request to the response head
//! and as much of the body as the guest has ready.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use spindrift_failures::{Excerpt, Kind, log_failure};

use super::Handler;
use crate::RunError;
use crate::answer::{Answer, Collected, Failed, Guest, GuestPlace};
use crate::call::{self, GuestRun, HeadSlot};
use crate::held_request::HeldRequest;
use crate::request_scope::RequestScope;

impl Handler {
    /// Runs the handler on `request`, once.
    ///
    /// Returns when there is a response head and either the whole body or
    /// nothing more to be had without waiting. The instance is then idle
    /// again, or works on in a task of its own, within the same `timeout`.
    ///
    /// # Errors
    ///
    /// See [`RunError`]. The instance is dropped.
    pub async fn run(
        self: &Arc<Self>,
        request: &HeldRequest,
        scope: RequestScope,
        timeout: Duration,
    ) -> Result<Answer, RunError> {
        let deadline = Instant::now() + timeout;
        // Pinned where it is: it is large, and would be copied into the time-out and then into this future.
        let run = pin!(self.run_until(request, scope, deadline));
        match tokio::time::timeout_at(deadline.into(), run).await {
            Ok(answer) => answer,
            Err(_) => Err(RunError::Timeout(timeout)),
        }
    }

    async fn run_until(
        self: &Arc<Self>,
        request: &HeldRequest,
        scope: RequestScope,
        deadline: Instant,
    ) -> Result<Answer, RunError> {
        let mut instance = self.acquire().await.map_err(RunError::instantiate)?;
        let mut collected = Collected::new(scope.memory());
        instance.store.data_mut().serve(scope.clone());

        let head: HeadSlot = Arc::default();
        let mut guest = call::start(instance, request, scope, head.clone())?;
        let done = poll_fn(|cx| {
            loop {
                let guest_done = guest.as_mut().poll(cx);
                if collected.head.is_none() {
                    match head.lock().take() {
                        Some(Ok(head)) => collected.head = Some(head),
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        None => {}
                    }
                }
                let progress = collected.poll_body(cx);
                match guest_done {
                    Poll::Ready(done) => return Poll::Ready(Ok(Some(done))),
                    // Reading may have made room for the guest to write more.
                    Poll::Pending if progress => continue,
                    Poll::Pending if collected.head.is_some() => return Poll::Ready(Ok(None)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await?;

        let Some((instance, result)) = done else {
            // The head is there, and the guest goes on.
            let handler = self.clone();
            let failed = Failed::default();
            let tell = failed.clone();
            let place = GuestPlace::default();
            let held = place.clone().until_dropped();
            let task = self.tasks().spawn(async move {
                let _held = held;
                handler.finish(guest, deadline, tell).await;
            });
            let guest = Guest::new(task.abort_handle(), place);
            return collected.into_answer(request, Some((guest, failed)));
        };
        if let Err(error) = result {
            return Err(RunError::trap(&instance.store, error));
        }
        if collected.head.is_none() {
            return Err(RunError::NoResponse);
        }
        self.release(instance);
        collected.into_answer(request, None)
    }

    /// Lets a guest finish what it does after its response head.
    async fn finish(&self, mut guest: GuestRun, deadline: Instant, failed: Failed) {
        // Whatever ends this, even a shutdown: unless the guest ends well, the
        // reader of its body must find out before the guest's end of it goes.
        let failed = failed.unless_disarmed();
        let left = deadline.saturating_duration_since(Instant::now());
        let (instance, error) = match tokio::time::timeout(left, &mut guest).await {
            Ok((instance, Ok(()))) => {
                failed.disarm();
                self.release(instance);
                return;
            }
            Ok((instance, Err(error))) => {
                let error = RunError::trap(&instance.store, error);
                (Some(instance), error)
            }
            Err(_) => (None, RunError::StillRunning),
        };
        drop(failed);
        drop((instance, guest));
        let error = error.to_string();
        let (component, error) = (&**self.component(), Excerpt(&error));
        log_failure!(
            WARN,
            Kind::AfterHead,
            component,
            component,
            "after the response head: {error}"
        );
    }
}
