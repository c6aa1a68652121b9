//! Who votes: the leader's duty to fill seats, and to free those of nodes that are gone.
//!
//! | file | subject |
//! | --- | --- |
//! | `plan.rs` | which change to make next, as a function of what the leader sees |
//! | `duty.rs` | what the leader sees, and making the change |
//! | `comings.rs` | telling people who has joined, left, and been removed |
//! | `spread.rs` | where members are, and how crowded voters are there |
//! | `silence.rs` | how long each member has been silent |
//! | `refusals.rs` | at which addresses nothing listens |
//! | `departures.rs` | which members are about to go, or have gone, as far as others have said |

mod comings;
mod departures;
mod duty;
mod plan;
mod refusals;
mod silence;
mod spread;

pub use departures::{Departure, Departures};
pub use duty::Duty;
pub use refusals::Refusals;
