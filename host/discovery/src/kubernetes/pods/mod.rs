//! The pods of the workload.
//!
//! | file | subject |
//! | --- | --- |
//! | `state` | what a pod's status says |
//! | `known` | [`KnownPods`]: which peers are present and gone, from what was seen of the pods |
//! | `watching` | the watch that keeps it up to date |

mod known;
mod state;
mod watching;

pub(crate) use known::KnownPods;
pub(crate) use state::{address, has_ended, ip, may_run};
pub(crate) use watching::watch;
