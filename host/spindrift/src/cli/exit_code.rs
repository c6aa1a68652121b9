//! The exit codes, in one place.

/// `spindrift status` has asked a cluster without a leader.
pub(super) const NO_LEADER: u8 = 3;

/// A second SIGINT has ended the process. Shells have the same code for a process that the signal ends.
pub(super) const SECOND_SIGINT: u8 = 128 + 2;

/// A second SIGTERM has ended the process.
pub(super) const SECOND_SIGTERM: u8 = 128 + 15;

/// All of them, each with its meaning as Markdown.
pub(super) const EXIT_CODES: [(u8, &str); 6] = [
    (
        0,
        "The command has done its work. `spindrift up` was told to stop, and has stopped. `spindrift status` has found a leader.",
    ),
    (
        1,
        "An error, which standard error describes. `spindrift status` and `spindrift recover` could not reach the node, or it \
         refused. `spindrift recover` was given no `--accept-data-loss`.",
    ),
    (
        2,
        "Wrong usage: a flag that is unknown or refused, or a value that a flag or its environment variable does not take.",
    ),
    (
        NO_LEADER,
        "`spindrift status` has reached the node, and it knows no leader.",
    ),
    (
        SECOND_SIGINT,
        "A second signal, a SIGINT, has ended `spindrift up` before it was done with stopping.",
    ),
    (
        SECOND_SIGTERM,
        "A second signal, a SIGTERM, has ended `spindrift up` before it was done with stopping.",
    ),
];
