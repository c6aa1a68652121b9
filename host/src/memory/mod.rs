//! The memory that this process may use, and one budget for all that it holds for its clients.
//!
//! A client decides how much it sends, how long it takes to read, and what its request makes a guest allocate. Each of these has
//! a limit of its own. The budget bounds their sum, whatever its parts are: request bodies, the memory of guests, transactions
//! and answers. The map is not in it; `--max-total-size` bounds that.
//!
//! | file | subject |
//! | --- | --- |
//! | `budget` | [`Budget`], and the [`Charge`]s on it |
//! | `available` | how much memory the process may use: of its control group, or of the machine |

mod available;
mod budget;

pub use available::{Available, available};
pub use budget::{Budget, Charge, Purpose, Spent};
