//! Processes that find each other as pods do.
//!
//! | module | subject |
//! | --- | --- |
//! | [`source`] | where they find each other |
//! | [`run`] | the processes |
//! | [`members`] | tests of what replication does with what the source knows |
//! | [`told`] | tests of what it has people see |

mod members;
pub mod run;
mod source;
mod told;
