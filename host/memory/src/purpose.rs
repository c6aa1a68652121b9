//! [`Purpose`]: what memory is held for.

/// What memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Request bodies, from their first byte until their request is over.
    Bodies,
    /// What guests have made their linear memories grow by.
    Guests,
    /// What the host keeps for guests beside their memory: headers, bodies that nobody reads, handles.
    Resources,
    /// Heads of requests: what has come of those that are not complete, and large ones until their requests are over.
    Heads,
    /// What open transactions have read and written, and commits until they are answered.
    Transactions,
    /// Messages that this node sends to others, until they have left.
    Messages,
    /// Answers that clients have not read yet.
    Answers,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 7] = [
        Purpose::Heads,
        Purpose::Bodies,
        Purpose::Guests,
        Purpose::Resources,
        Purpose::Transactions,
        Purpose::Messages,
        Purpose::Answers,
    ];

    /// As a label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Heads => "heads",
            Purpose::Bodies => "bodies",
            Purpose::Guests => "guests",
            Purpose::Resources => "resources",
            Purpose::Transactions => "transactions",
            Purpose::Messages => "messages",
            Purpose::Answers => "answers",
        }
    }
}
