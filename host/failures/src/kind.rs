//! [`Kind`]: what can fail again and again.

/// What can fail again and again. The text is the subject of a sentence about several of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The store has no leader, or does not answer in time.
    StoreUnavailable,
    /// Commits that may have been applied.
    UnknownOutcome,
    /// The store is full.
    StoreFull,
    /// The memory that is held for requests is at its limit.
    NoMemory,
    /// Conflicts did not end.
    Conflicts,
    /// More requests than are allowed.
    TooManyRequests,
    /// Requests before there is an application.
    Starting,
    /// Request bodies that did not arrive.
    LateBodies,
    /// More request bodies at once than are allowed.
    TooManyBodies,
    /// Clients that do not read.
    SlowReaders,
    /// Components that trapped.
    Traps,
    /// Components that took more memory than they may.
    OutOfMemory,
    /// Components that took too long.
    Timeouts,
    /// Components that answered with an error, or not at all.
    NoAnswer,
    /// Instances that could not be made.
    NoInstance,
    /// More instances than there is room for.
    NoRoom,
    /// Components that failed when their response had begun.
    AfterHead,
    /// Outgoing requests that are not allowed.
    RefusedOutbound,
    /// More connections than are allowed.
    RefusedConnections,
    /// Connections that the system did not hand over.
    LostConnections,
    /// Connections without a TLS session.
    TlsHandshakes,
    /// Entries of the cluster's log that make no sense.
    DamagedBatches,
    /// Metrics that could not be written.
    Metrics,
    /// Lines that components printed beyond their rate.
    GuestLines,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StoreUnavailable => "requests that the store did not serve",
            Self::UnknownOutcome => "requests of which it is unknown whether they were written",
            Self::StoreFull => "requests for which the store was full",
            Self::NoMemory => "requests for which there was no memory in the budget",
            Self::Conflicts => "requests that conflicted again and again",
            Self::TooManyRequests => "requests beyond the limit",
            Self::Starting => "requests before the application was served",
            Self::LateBodies => "requests whose body did not arrive in time",
            Self::TooManyBodies => "request bodies beyond the limit",
            Self::SlowReaders => "answers that clients did not read",
            Self::Traps => "requests in which the component trapped",
            Self::OutOfMemory => "requests in which the component ran out of memory",
            Self::Timeouts => "requests in which the component took too long",
            Self::NoAnswer => "requests to which the component gave no answer",
            Self::NoInstance => "requests for which there was no instance of the component",
            Self::NoRoom => "requests for which there was no room for an instance",
            Self::AfterHead => "requests in which the component failed after the response head",
            Self::RefusedOutbound => "outgoing requests that were refused",
            Self::RefusedConnections => "connections beyond the limit",
            Self::LostConnections => "connections that could not be accepted",
            Self::TlsHandshakes => "connections without a TLS session",
            Self::DamagedBatches => "damaged entries of the log",
            Self::Metrics => "metrics that could not be written",
            Self::GuestLines => "dropped lines",
        }
    }
}
