//! Connections of clients, as the public port and the admin port serve them: how long the host waits for a client, and
//! whose connection makes room for another.
//!
//! | file | subject |
//! | --- | --- |
//! | `activity` | what goes on on a connection, and for what it is waited too long |
//! | `patience` | how long a client is waited for |
//! | `moment` | when something happened on it |
//! | `socket` | seeing what arrives, below TLS |
//! | `stream` | seeing what is read and written |
//! | `heads` | what has come of a head that is not complete, on the budget of memory |
//! | `arriving_body` | seeing which bytes were handed over as a body |
//! | `leaving` | heads of answers that have not left, on the budget of memory |
//! | `answering` | seeing which requests are under way |
//! | `serve` | a connection with its time-outs, from its first byte to its end |
//! | `refusal` | what a client is told whose request is not read |
//! | `request_head` | what has to be right with the head of a request |
//! | `places` | a bounded number of connections, of which the idlest makes room |

mod activity;
mod answering;
mod arriving_body;
mod heads;
mod leaving;
mod moment;
mod patience;
mod places;
mod refusal;
mod request_head;
mod serve;
mod socket;
mod stream;

pub use activity::Activity;
pub use answering::{Answering, Part, TrackedBody};
pub use arriving_body::ArrivingBody;
pub(crate) use patience::Idle;
pub use patience::Patience;
pub use places::Places;
pub(crate) use refusal::Refusal;
pub(crate) use request_head::authority;
pub use request_head::{BadHead, check as check_head};
pub(crate) use serve::GIVE_UP;
pub use serve::{End, serve};
pub use socket::Socket;
