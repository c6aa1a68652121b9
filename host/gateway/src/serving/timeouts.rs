//! [`Timeouts`]: how long the host waits for a client.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two looks at a connection, whatever its time-outs are.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// How long the host waits for a client.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// How long the head of a request may take. It counts for the first one from when the connection was accepted, a TLS
    /// handshake included, and for any other from its first byte.
    pub head: Duration,
    /// How long a connection may have no request under way.
    pub idle: Duration,
    /// How long a client may take to read an answer, if that is bounded here.
    pub answer: Option<Duration>,
}

impl Timeouts {
    /// How often a connection has to be looked at: a head that begins between two looks is not late at the second.
    pub(crate) fn pause(&self) -> Duration {
        self.head.min(self.idle).max(LEAST_PAUSE)
    }
}

/// What is due on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time. It is then to be asked for again.
    At(Instant),
    /// A request's head has taken too long.
    Head,
    /// There has been no request for too long.
    Idle,
    /// The client has left an answer unread for too long.
    Answer,
}

/// For how long a connection has been without a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idle {
    /// There has been none.
    Silent(Duration),
    /// Since the last one was over.
    SinceRequest(Duration),
}
