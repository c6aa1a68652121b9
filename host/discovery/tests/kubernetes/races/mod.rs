//! Many processes that would form a cluster at once, under a paused clock, with an API server and machines that are slow, fail
//! and stand still, as a seed says. There is no replication here: a cluster is a set of members, of which a majority has to
//! live.
//!
//! | file | subject |
//! | --- | --- |
//! | [`world`] | the processes as they see each other, and the clusters that they make |
//! | [`process`] | what one process does: look, join or claim, lead, begin anew |
//! | [`nemesis`] | what happens to the pods |
//! | [`run`] | one seed, and many |

mod nemesis;
mod process;
mod run;
mod world;

pub use run::{Course, Report, run_seeds};
