//! What goes wrong while clients are at work.
//!
//! | file | subject |
//! | --- | --- |
//! | `schedule.rs` | which faults, in which order: a function of a seed and nothing else |
//! | `inflict.rs` | doing it to a cluster, and mending it |

pub mod inflict;
pub mod schedule;
