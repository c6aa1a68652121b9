//! Whether what clients saw could have come from one store that does one thing at a time.
//!
//! | file | subject |
//! | --- | --- |
//! | `history.rs` | what clients asked and were answered, in an order that no clock has a part in |
//! | `checker.rs` | the verdict on it, key by key |
//! | `register.rs` | what a key is, for the search |
//! | `known_histories.rs` | tests of the checker: histories that it must accept, and ones that it must not |
//! | `brute_force.rs` | tests of the checker: what it leaves out of its search makes no difference |

mod brute_force;
pub mod checker;
pub mod history;
mod known_histories;
mod register;
