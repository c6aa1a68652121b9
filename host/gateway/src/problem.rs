//! Errors that the host itself answers with: `{"detail": "…"}`, and for a
//! fault of the server the id under which the log has more.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use spindrift_failures::{Excerpt, Kind, log_failure};
use spindrift_memory::Spent;
use spindrift_runtime::RunError;
use spindrift_store::{CommitError, Unavailable};
use thiserror::Error;
use tracing::field::display;

use super::response::GatewayBody;
use crate::serving::BadHead;

/// What a client is asked to wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Why the host answers instead of the component.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    /// No route matches.
    #[error("Not Found")]
    NotFound,
    /// The head of the request is not one that can be answered.
    #[error(transparent)]
    BadHead(#[from] BadHead),
    /// The request is not one that can be passed on.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The body is over the limit.
    #[error("the request body is over the limit of {limit_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The body arrives too slowly.
    #[error(
        "the request body arrives at less than {bytes_per_second} bytes a second, measured over {grace:?}"
    )]
    BodyTooSlow {
        /// The least, in bytes a second.
        bytes_per_second: u64,
        /// How long a body has before that counts, and over how long it is measured.
        grace: Duration,
    },
    /// The body was not there when the time of its request was up.
    #[error("the request body did not arrive within the {0:?} that the request may take")]
    BodyTimeout(Duration),
    /// As many bodies as are allowed arrive.
    #[error("as many request bodies arrive as are allowed ({limit}); try again later")]
    TooManyBodies {
        /// The limit.
        limit: usize,
    },
    /// The body has not arrived, and the server goes down.
    #[error(
        "the host is shutting down, the request's body had not arrived as a whole, and nothing was written; try again"
    )]
    GoingDown,
    /// The budget has no room for the body.
    #[error(transparent)]
    Memory(#[from] Spent),
    /// The client has not read what it was answered before.
    #[error(
        "nothing was written: the answers that were sent on this connection and not read yet take as much memory as a \
         connection may have; try again later"
    )]
    Unread,
    /// There is no application yet to answer with.
    #[error("the host is starting, and nothing was written: {0}; try again later")]
    Starting(String),
    /// As many requests as are allowed are under way.
    #[error("as many requests are under way as are allowed ({limit}); try again later")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// As many answers as are allowed are written by guests that go on.
    #[error(
        "as many answers are streamed as are allowed ({limit}), and nothing was written; try again later"
    )]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// The component failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A read had no answer, and the component failed over it.
    #[error("the store cannot be read now, and nothing was written: {0}")]
    Unavailable(Unavailable),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Other requests changed the same keys every time.
    #[error(
        "the request conflicted with others {runs} times in a row, and nothing was written; try again later"
    )]
    TooManyConflicts {
        /// How often it was run.
        runs: u32,
    },
    /// Other requests changed the same keys until the request's time was up.
    #[error(
        "the request conflicted with others {runs} times in a row within the {timeout:?} that it may take, and \
         nothing was written"
    )]
    ConflictsUntilTimeout {
        /// How often it was run.
        runs: u32,
        /// The time it had.
        timeout: Duration,
    },
    /// A conflict, and running the component again would repeat what it did.
    #[error(
        "another request changed the same keys at the same time, and nothing was written; the \
         component has had an effect outside the store, such as an outgoing request, so it was not run again"
    )]
    ConflictAfterSideEffect,
}

impl Problem {
    /// The status that answers it.
    pub(crate) fn status(&self) -> StatusCode {
        self.answer().status()
    }

    /// What the client is told. The inside of a component is the operator's
    /// business: its trap goes to the log only.
    fn detail(&self) -> String {
        match self {
            Problem::Run(RunError::Trap(_)) => "the component trapped".into(),
            Problem::Run(RunError::Instantiate(_)) => {
                "no instance of the component could be created".into()
            }
            Problem::Run(RunError::Guest(_)) => "the component failed".into(),
            other => other.to_string(),
        }
    }

    /// Which failures of requests are of one kind with this one, for the log; nothing where it is not the server that is at
    /// fault.
    fn kind(&self) -> Option<Kind> {
        Some(match self {
            Problem::NotFound
            | Problem::GoingDown
            | Problem::BadHead(_)
            | Problem::BadRequest(_)
            | Problem::BodyTooLarge { .. }
            | Problem::Commit(CommitError::Conflict)
            | Problem::ConflictAfterSideEffect => return None,
            Problem::BodyTooSlow { .. } | Problem::BodyTimeout(_) => Kind::LateBodies,
            Problem::TooManyBodies { .. } => Kind::TooManyBodies,
            Problem::Memory(_)
            | Problem::Run(RunError::NoMemory(_) | RunError::AnswerMemory(_)) => Kind::NoMemory,
            Problem::Unread => Kind::SlowReaders,
            Problem::Starting(_) => Kind::Starting,
            Problem::Busy { .. } | Problem::TooManyStreams { .. } => Kind::TooManyRequests,
            Problem::Run(RunError::Instantiate(_)) => Kind::NoInstance,
            Problem::Run(RunError::NoRoom(_)) => Kind::NoRoom,
            Problem::Run(RunError::Trap(_) | RunError::CallTooLarge { .. }) => Kind::Traps,
            Problem::Run(RunError::OutOfMemory { .. }) => Kind::OutOfMemory,
            Problem::Run(RunError::Timeout(_) | RunError::StillRunning) => Kind::Timeouts,
            Problem::Run(RunError::Guest(_) | RunError::NoResponse) => Kind::NoAnswer,
            Problem::Commit(CommitError::Full { .. }) => Kind::StoreFull,
            // Told apart from those that were certainly not written: a person may have to look at what these wrote.
            Problem::Commit(CommitError::Unknown(_)) => Kind::UnknownOutcome,
            Problem::Commit(CommitError::NoMemory(_)) => Kind::NoMemory,
            Problem::Unavailable(_) | Problem::Commit(_) => Kind::StoreUnavailable,
            Problem::TooManyConflicts { .. } | Problem::ConflictsUntilTimeout { .. } => {
                Kind::Conflicts
            }
        })
    }

    /// Notes it in the log, unless the client alone is at fault. `component` is empty where none was asked.
    fn log(&self, request_id: Option<&str>, path: &str, component: &str) {
        let Some(kind) = self.kind() else {
            return;
        };
        let path = display(Excerpt(path));
        let status = self.status().as_u16();
        let error = self.to_string();
        let error = Excerpt(&error);
        let of = (!component.is_empty()).then_some(component);
        if matches!(self, Problem::Run(_)) {
            log_failure!(
                ERROR,
                kind,
                component,
                request_id,
                component = of,
                path,
                status,
                "{error}"
            );
        } else {
            // It is the same for all components.
            log_failure!(
                WARN,
                kind,
                "",
                request_id,
                component = of,
                path,
                status,
                "{error}"
            );
        }
    }

    /// The response, noted in the log if the server is at fault. `component` is empty where none was asked.
    pub(crate) fn into_response(self, path: &str, component: &str) -> Response<GatewayBody> {
        let status = self.status();
        let request_id = status
            .is_server_error()
            .then(|| format!("{:016x}", rand::random::<u64>()));
        self.log(request_id.as_deref(), path, component);
        #[derive(Serialize)]
        struct Body {
            detail: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<String>,
        }
        let body = Body {
            detail: self.detail(),
            request_id,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(GatewayBody::full(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}
