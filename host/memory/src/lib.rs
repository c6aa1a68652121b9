//! The memory that this process may use, and one budget for everything that it holds for its clients.
//!
//! A client decides how much it sends, how long it takes to read, and how much memory its request makes a guest allocate. Each
//! of these has a limit of its own. The budget bounds their sum: heads and bodies of requests, the memory of guests and what the
//! host keeps for them, transactions, messages to other nodes, and answers. A charge that does not fit fails at once; it
//! never waits.
//!
//! The crate leaves the reaction to its callers, which refuse a request or end a guest. The budget does not count the map of
//! the stores; `--max-total-size` bounds that.
//!
//! | file | subject |
//! | --- | --- |
//! | `budget` | [`Budget`], and the [`Charge`]s on it |
//! | `purpose` | [`Purpose`]: what memory is held for |
//! | `headers` | what headers take, and which part of the budget heads of requests may have |
//! | `giving_back` | what an idle thread gives back to the system |
//! | `available` | how much memory the process may use: of its control group, or of the machine |

#![warn(unreachable_pub)]

mod available;
mod budget;
mod giving_back;
mod headers;
mod purpose;

pub use available::{Available, available};
pub use budget::{Budget, Charge, Spent};
pub use giving_back::while_idle;
pub use headers::{header_bytes, hold_more_of_heads, large_header_bytes, lasting_value};
pub use purpose::Purpose;
