//! Tests of clusters: real processes on a network of their own, that are killed, paused, cut off and replaced while
//! clients are at work; and a checker that says whether what the clients saw was one store.
//!
//! A binary beside the tests of one host (`it`): these take minutes, and they need the right to make network namespaces.
//!
//! | module | subject |
//! | --- | --- |
//! | [`checking`] | the history of a run, and whether it is linearizable |
//! | [`nodes`] | networks, processes, clusters |
//! | [`load`] | clients |
//! | [`nemesis`] | what goes wrong, from a seed |
//! | [`scenarios`] | the tests |
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SPINDRIFT_CHECK_SECONDS` | how long the suite of linearizability runs in all; 60 |
//! | `SPINDRIFT_CHECK_SEED` | what goes wrong in it, and in which order; random, and printed |
//! | `SPINDRIFT_CHECK_HISTORY` | a file of an earlier run to check again |

#[path = "../../../replication/tests/checking/mod.rs"]
mod checking;
mod load;
mod nemesis;
mod nodes;
mod scenarios;
