//! Connections of clients, as the public port and the admin port serve them: how long the host waits for a client, and
//! whose connection makes room for another.
//!
//! | file | subject |
//! | --- | --- |
//! | `activity` | what goes on on a connection, and for what it is waited too long |
//! | `stream` | seeing what is read and written |
//! | `heads` | what has come of a head that is not complete, on the budget of memory |
//! | `answering` | seeing which requests are under way |
//! | `serve` | a connection with its time-outs, from its first byte to its end |
//! | `refusal` | what a client is told whose request is not read |
//! | `request_head` | what has to be right with the head of a request |
//! | `places` | a bounded number of connections, of which the idlest makes room |

mod activity;
mod answering;
mod heads;
mod places;
mod refusal;
mod request_head;
mod serve;
mod stream;

pub(crate) use activity::{Activity, Patience};
pub(crate) use answering::Answering;
pub(crate) use places::Places;
pub(crate) use refusal::Refusal;
pub(crate) use request_head::{BadHead, authority, check as check_head};
pub(crate) use serve::{End, GIVE_UP, serve};
pub(crate) use stream::Socket;
