//! Why leadership changes: elections are told in the log and counted, and a node that did not run itself does not take the
//! time for a leader's silence. Electing is openraft's business; nothing here gives a vote or wins one.
//!
//! | file | subject |
//! | --- | --- |
//! | `ballot.rs` | what is asked for and answered, and why an election begins and a leader ends |
//! | `record.rs` | what this node has seen of elections, and what it says of it; `record/candidate.rs` where it stands for one |
//! | `refusal.rs` | why a vote is refused |
//! | `hearing.rs` | whether the leader is heard, and for how long a node that did not run listens |
//! | `silence.rs` | for how long a leader was silent, without the time in which this process did not run |
//! | `scheduling.rs` | that this process did not run, and what kept it |
//! | `watch.rs` | leaders that come and go, as openraft shows them |
//! | `repeats.rs` | that what happens again and again is said once, and then counted |
//! | `metrics.rs` | what is counted |

mod ballot;
mod hearing;
mod metrics;
mod record;
mod refusal;
mod repeats;
mod scheduling;
mod silence;
mod watch;

pub use self::ballot::{Answer, Ballot};
pub use self::metrics::ElectionMetrics;
pub use self::record::Elections;
pub use self::refusal::Refusal;
pub use self::watch::watch;
