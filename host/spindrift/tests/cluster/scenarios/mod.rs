//! The tests.
//!
//! | file | subject |
//! | --- | --- |
//! | `linearizability.rs` | everything at once, at random |
//! | `broken_promises.rs` | the suite notices a cluster that reads the past or writes twice |
//! | `failover.rs` | a leader that dies |
//! | `leaving.rs` | nodes that are asked to end |
//! | `crash_and_stops.rs` | a node that dies, and others that are asked to end |
//! | `membership.rs` | seats that are freed and taken |
//! | `majority.rs` | a majority that is away, or gone |
//! | `deadlines.rs` | requests whose time is up, and what is true of their writes |
//! | `given_back.rs` | clients that go away while their commits wait, and commits that have no room to wait |
//! | `lagging.rs` | a request that reads the past through a node that lags, and may write |
//! | `elections.rs` | what nodes say of elections, and that a standstill causes none |
//! | `kept_handle.rs` | a component that keeps a handle on its store, on several nodes |
//! | `self_requests.rs` | a component that calls its own application, on several nodes |
//! | `joining.rs` | who may join whom |
//! | `forming.rs` | that no second cluster is formed beside one that lives, and what is seen of one that was |
//! | `own_address.rs` | a node with the address of another one |
//! | `rolling_update.rs` | an update to another version of the peers' protocol, under load, and back |
//! | `limits.rs` | what a store may hold: the least of what the members are told |
//! | `credentials.rs` | tokens and certificates |
//! | `slow_follower.rs` | one that gets less than is written |
//! | `peer_port.rs` | garbage on the port of the nodes |
//! | `strangers.rs` | many connections to it that prove nothing |
//! | `rotation.rs` | another cluster token takes the place of the one in use |
//! | `status_command.rs` | `spindrift status` |
//! | `acknowledged.rs` | writing much, and finding all of it again |
//! | `command.rs` | running `spindrift` once, to its end |

mod acknowledged;
mod broken_promises;
mod command;
mod crash_and_stops;
mod credentials;
mod deadlines;
mod elections;
mod failover;
mod forming;
mod given_back;
mod joining;
mod kept_handle;
mod lagging;
mod leaving;
mod limits;
mod linearizability;
mod majority;
mod membership;
mod own_address;
mod peer_port;
mod rolling_update;
mod rotation;
mod self_requests;
mod slow_follower;
mod status_command;
mod strangers;
