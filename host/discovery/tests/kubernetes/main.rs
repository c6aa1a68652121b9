//! Tests of the discovery in Kubernetes, against a stand-in for its API server. Most run within one process under a paused
//! clock; those whose subject is the connection run over HTTPS.
//!
//! | module | subject |
//! | --- | --- |
//! | [`api_server`] | the stand-in |
//! | [`pod`] | the discovery of one pod, as a test starts it |
//! | [`waiting`] | waiting for a condition |
//! | [`races`] | many processes that would form a cluster, with mishaps from a seed |
//! | [`scenarios`] | the tests |
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SPINDRIFT_RACE_SEED` | run the races of this seed alone, and tell what happened |
//! | `SPINDRIFT_RACE_SEEDS` | how many seeds to run, from 0 on; 100 |

#![cfg(feature = "kubernetes")]

mod api_server;
mod pod;
mod races;
mod scenarios;
mod waiting;
