//! Clusters of real processes, on a network that the test makes for them.
//!
//! | file | subject |
//! | --- | --- |
//! | `network.rs` | a network namespace for each node and one for the clients, and which nodes hear which |
//! | `namespaces.rs` | their names, and an end to those that are left over |
//! | `process.rs` | one node: starting it, signals, its log |
//! | `settings.rs` | what all nodes of a cluster are told |
//! | `view.rs` | what a node says of itself on its admin port |
//! | `cluster.rs` | the nodes together: start, replace, wait until they agree |
//! | `run.rs` | the frame of a test: the network, a runtime within it, a deadline |

pub mod cluster;
mod namespaces;
pub mod network;
pub mod process;
pub mod run;
pub mod settings;
pub mod view;
