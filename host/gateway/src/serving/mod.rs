//! Connections of clients, as the public port and the admin port serve them: how long the host waits for a client, and
//! whose connection makes room for another.
//!
//! | file | subject |
//! | --- | --- |
//! | `activity` | what goes on on a connection, and for what it is waited too long |
//! | `timeouts` | how long a client is waited for |
//! | `socket` | seeing what arrives, below TLS |
//! | `stream` | seeing what is read and written |
//! | `heads` | what has come of a head that is not complete, on the budget of memory |
//! | `arriving_body` | seeing which bytes were handed over as a body |
//! | `unsent_heads` | heads of answers that have not left, on the budget of memory |
//! | `answering` | seeing which requests are under way |
//! | `serve` | a connection with its time-outs, from its first byte to its end |
//! | `service_unavailable` | what a client is told whose request is not read |
//! | `request_head` | what has to be right with the head of a request |
//! | `places` | a bounded number of connections, of which the idlest makes room |

mod activity;
mod answering;
mod arriving_body;
mod heads;
mod places;
mod request_head;
mod serve;
mod service_unavailable;
mod socket;
mod stream;
mod timeouts;
mod unsent_heads;

pub use activity::Activity;
pub use answering::{Answering, Part, TrackedBody};
pub use arriving_body::ArrivingBody;
pub use places::Places;
pub(crate) use request_head::authority;
pub use request_head::{BadHead, check as check_head};
pub(crate) use serve::GIVE_UP;
pub use serve::{End, serve};
pub(crate) use service_unavailable::ServiceUnavailable;
pub use socket::Socket;
pub(crate) use timeouts::Idle;
pub use timeouts::Timeouts;
