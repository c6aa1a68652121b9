//! Connections of clients, as the public port and the admin port serve them: how long the host waits for a client, and
//! whose connection makes room for another.
//!
//! | file | subject |
//! | --- | --- |
//! | `activity` | what goes on on a connection, and for what it is waited too long |
//! | `stream` | seeing what is read and written |
//! | `answering` | seeing which requests are under way |
//! | `serve` | a connection with its time-outs, from its first byte to its end |
//! | `places` | a bounded number of connections, of which the idlest makes room |

mod activity;
mod answering;
mod places;
mod serve;
mod stream;

pub(crate) use activity::{Activity, Patience};
pub(crate) use answering::Answering;
pub(crate) use places::Places;
pub(crate) use serve::{End, GIVE_UP, serve};
pub(crate) use stream::Socket;
