//! A simulation of replication: whole clusters on one thread, with a network and clocks that are not real, and a seed that
//! says who is cut off, slow, killed, added and sent away, and when. What must hold whatever happens is in
//! [`invariants`].
//!
//! A binary beside those that run real processes: a second of theirs is milliseconds here, so that thousands of runs fit
//! into a minute.
//!
//! | module | subject |
//! | --- | --- |
//! | [`network`] | the simulated network, as replication sees it |
//! | [`cluster`] | the processes of a run |
//! | [`process`] | one of them |
//! | [`clients`] | what is done to the store |
//! | [`nemesis`] | what goes wrong, from the seed |
//! | [`invariants`] | what must hold |
//! | [`run`] | one run, from the seed to the verdict |
//! | [`mishaps`] | panics of tasks that nobody waits for, and tasks that spin |
//! | [`seeds`] | many runs, side by side |
//! | [`scenarios`] | the tests |
//! | [`pods`] | tests of what replication does with what discovery knows, and of what it tells it |
//! | [`checking`] | the checker of histories that the tests of real processes use |
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SPINDRIFT_SIMULATION_SEED` | run this seed alone, and tell what happened in it |
//! | `SPINDRIFT_SIMULATION_SEEDS` | how many seeds to run, from 0 on |
//! | `SPINDRIFT_SIMULATION_LOG` | what the nodes log, as in `RUST_LOG` |
//!
//! # How far a seed replays
//!
//! Virtual time, the network, faults, clients, election time-outs and ids all follow from the seed. What does not is the
//! order that Tokio itself leaves to chance: which branch of a `select!` goes first of several that are ready, and which
//! of several waiting tasks is woken first. So a seed replays its troubles, and often what came of them, but not always.

mod clients;
mod cluster;
mod invariants;
mod mishaps;
mod nemesis;
mod network;
mod pods;
mod process;
mod run;
mod scenarios;
mod seeds;

#[path = "../cluster/checking"]
#[allow(dead_code)]
mod checking {
    //! The checker of histories that the tests of real processes use.
    pub mod checker;
    pub mod history;
    mod register;
}
