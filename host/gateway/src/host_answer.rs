//! [`HostAnswer`]: the answers that the host itself gives instead of a component, with the status of each and what a client
//! learns from it.

use http::StatusCode;
use spindrift_runtime::RunError;
use spindrift_store::{CommitError, Unavailable};

use super::problem::Problem;

/// Declares the answers, so that none is missing in [`HostAnswer::ALL`].
macro_rules! answers {
    ($($name:ident: $status:ident, $meaning:literal, $written:ident, $again:literal;)*) => {
        /// An answer of the host. Several problems may have the same one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum HostAnswer {
            $(#[doc = $meaning] $name,)*
        }

        impl HostAnswer {
            /// All of them, by their status.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The status.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }

            /// What happened, as Markdown.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }

            /// How much of what the request writes to the stores is there.
            pub const fn written(self) -> Written {
                match self {
                    $(Self::$name => Written::$written,)*
                }
            }

            /// Whether it makes sense to send the request again, as Markdown.
            pub const fn again(self) -> &'static str {
                match self {
                    $(Self::$name => $again,)*
                }
            }
        }
    };
}

/// How much of what a request writes is in the stores after an answer of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing, and nothing will be.
    Nothing,
    /// All of it or nothing; the host does not know.
    Unknown,
}

answers! {
    Malformed: BAD_REQUEST,
        "The head of the request is malformed: it has no `Host` header, two, or an invalid one, or in HTTP/2 one that differs \
         from `:authority`. Or the body is framed in a malformed way.",
        Nothing, "no";
    NoRoute: NOT_FOUND,
        "The application has no route for this path.",
        Nothing, "no";
    OtherMethod: METHOD_NOT_ALLOWED,
        "The host itself answers this path, to `GET` and `HEAD` only.",
        Nothing, "with another method";
    SlowBody: REQUEST_TIMEOUT,
        "The body arrives at less than `--min-body-rate`, or has not arrived within `--request-timeout`.",
        Nothing, "if the client can send it faster";
    SideEffect: CONFLICT,
        "Another request has changed the same keys. The component has sent something out, so the host does not run it again.",
        Nothing, "if the component may send that again";
    LargeBody: PAYLOAD_TOO_LARGE,
        "The body is larger than `--max-request-body`.",
        Nothing, "no";
    LongTarget: URI_TOO_LONG,
        "The target of an HTTP/1.1 request is longer than 65,534 bytes.",
        Nothing, "no";
    LargeHead: REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The head of the request is larger than `--http1-max-buf-size`, or than 64 KiB with HTTP/2.",
        Nothing, "no";
    Failed: INTERNAL_SERVER_ERROR,
        "The component failed: it trapped, used too much memory, handed too much to the host in one call, or gave no response.",
        Nothing, "no: it may fail in the same way";
    UnknownCoding: NOT_IMPLEMENTED,
        "The request has a `Transfer-Encoding` other than `chunked`.",
        Nothing, "without that coding";
    Starting: SERVICE_UNAVAILABLE,
        "The host is starting. The detail says what it waits for.",
        Nothing, "yes";
    Stopping: SERVICE_UNAVAILABLE,
        "The host is stopping, and the body has not arrived.",
        Nothing, "yes";
    Conflicts: SERVICE_UNAVAILABLE,
        "The request has conflicted with other requests 16 times in a row.",
        Nothing, "yes";
    TooMany: SERVICE_UNAVAILABLE,
        "There are too many connections, arriving bodies, requests, streamed responses or instances of components. The detail \
         says which.",
        Nothing, "yes";
    NoMemory: SERVICE_UNAVAILABLE,
        "`--memory-budget` has no room for the head or the body, for the component, for what the request reads and writes, for \
         its response, or for the write to wait in, here or on the leader.",
        Nothing, "yes";
    Unread: SERVICE_UNAVAILABLE,
        "The client has not read earlier responses on the same connection, and they take as much memory as a connection may \
         have.",
        Nothing, "yes, after reading them";
    NoLeader: SERVICE_UNAVAILABLE,
        "The node has reached no leader with a majority within `--leader-wait`.",
        Nothing, "yes";
    UnknownOutcome: SERVICE_UNAVAILABLE,
        "The node has sent the write to a leader, which did not answer within `--leader-wait` or `--request-timeout`. The detail \
         says that the outcome is unknown.",
        Unknown, "after looking";
    Timeout: GATEWAY_TIMEOUT,
        "The request has taken longer than `--request-timeout`: the component, conflicts, or waiting for a leader.",
        Nothing, "if it may be quicker then";
    Full: INSUFFICIENT_STORAGE,
        "The store is full. Reads and deletes go on.",
        Nothing, "after deleting something";
}

impl Problem {
    /// The answer to it.
    pub(crate) fn answer(&self) -> HostAnswer {
        match self {
            Problem::NotFound => HostAnswer::NoRoute,
            Problem::BadHead(bad) if bad.status() == StatusCode::NOT_IMPLEMENTED => {
                HostAnswer::UnknownCoding
            }
            Problem::BadHead(_) | Problem::BadRequest(_) => HostAnswer::Malformed,
            Problem::BodyTooLarge { .. } => HostAnswer::LargeBody,
            Problem::BodyTooSlow { .. } | Problem::BodyTimeout(_) => HostAnswer::SlowBody,
            Problem::GoingDown => HostAnswer::Stopping,
            Problem::Starting(_) => HostAnswer::Starting,
            Problem::TooManyBodies { .. }
            | Problem::TooManyStreams { .. }
            | Problem::Busy { .. }
            | Problem::Run(RunError::NoRoom(_)) => HostAnswer::TooMany,
            Problem::Memory(_)
            | Problem::Run(RunError::NoMemory(_) | RunError::AnswerMemory(_))
            | Problem::Commit(CommitError::NoMemory(_)) => HostAnswer::NoMemory,
            Problem::Unread => HostAnswer::Unread,
            Problem::Unavailable(Unavailable {
                timed_out: true, ..
            })
            | Problem::Commit(CommitError::NotApplied(Unavailable {
                timed_out: true, ..
            }))
            | Problem::ConflictsUntilTimeout { .. }
            | Problem::Run(RunError::Timeout(_)) => HostAnswer::Timeout,
            Problem::Unavailable(_) | Problem::Commit(CommitError::NotApplied(_)) => {
                HostAnswer::NoLeader
            }
            Problem::Commit(CommitError::Unknown(_)) => HostAnswer::UnknownOutcome,
            Problem::Commit(CommitError::Full { .. }) => HostAnswer::Full,
            Problem::Commit(CommitError::Conflict) | Problem::TooManyConflicts { .. } => {
                HostAnswer::Conflicts
            }
            Problem::ConflictAfterSideEffect => HostAnswer::SideEffect,
            Problem::Run(
                RunError::Instantiate(_)
                | RunError::Trap(_)
                | RunError::OutOfMemory { .. }
                | RunError::CallTooLarge { .. }
                | RunError::StillRunning
                | RunError::Guest(_)
                | RunError::NoResponse,
            ) => HostAnswer::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_the_order_of_their_status_and_say_each_thing_once() {
        assert!(HostAnswer::ALL.is_sorted_by_key(|answer| answer.status().as_u16()));
        for (index, answer) in HostAnswer::ALL.iter().enumerate() {
            let later = &HostAnswer::ALL[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|later| later.meaning() != answer.meaning()),
                "{answer:?}"
            );
        }
    }
}
