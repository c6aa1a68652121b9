//! A simulation of replication: whole clusters on one thread, with a network and clocks that are not real, and a seed that
//! says who is cut off, slow, killed, added and sent away, and when. What must hold whatever happens is in
//! [`invariants`].
//!
//! A binary beside those that run real processes: a second of theirs is milliseconds here, so that hundreds of runs fit
//! into a minute.
//!
//! | module | subject |
//! | --- | --- |
//! | [`network`] | the simulated network, as replication sees it |
//! | [`cluster`] | the processes of a run |
//! | [`process`] | one of them |
//! | [`clients`] | what is done to the store |
//! | [`nemesis`] | what goes wrong, from the seed |
//! | [`crash_and_stops`] | a crash, and processes that leave, from the seed |
//! | [`invariants`] | what must hold |
//! | [`sabotage`] | what is broken on purpose, so that somebody objects |
//! | [`run`] | one run, from the seed to the verdict |
//! | [`interposition`] | what else a run would ask its machine for: chance and time |
//! | [`trace`] | all that is seen of a run, as one number |
//! | [`mishaps`] | panics of tasks that nobody waits for, and tasks that spin |
//! | [`subprocess`] | one run in a process of its own |
//! | [`seeds`] | many runs, side by side |
//! | [`scenarios`] | the tests |
//! | [`late_replies`] | tests of what a leader makes of replies that have waited for it |
//! | [`pods`] | tests of what replication does with what discovery knows, and of what it tells it |
//! | [`checking`] | the checker of histories that the tests of real processes use |
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SPINDRIFT_SIMULATION_SEED` | run this seed alone, and tell what happened in it |
//! | `SPINDRIFT_SIMULATION_SABOTAGE` | what is broken in that run, see [`sabotage`] |
//! | `SPINDRIFT_SIMULATION_TROUBLE` | what goes wrong in that run: `anything`, `crash-and-stops` |
//! | `SPINDRIFT_SIMULATION_SEEDS` | how many seeds to run |
//! | `SPINDRIFT_SIMULATION_FIRST` | the first of them; 0 where none is given |
//! | `SPINDRIFT_SIMULATION_LOG` | what the nodes log, as in `RUST_LOG` |
//!
//! # How a seed replays
//!
//! Exactly: virtual time, the network, faults, clients, election time-outs, ids, keys of hash maps, and the order that Tokio
//! leaves to chance all follow from the seed. A test runs seeds twice and compares all that was seen of them. What makes it
//! so is that each run has a process of its own ([`subprocess`]), that one thread does everything in it, and that this thread
//! gets neither entropy nor time from its machine ([`interposition`]).
//!
//! A seed is worth its number for one build: other code draws from it differently.
//!
//! # What is not simulated
//!
//! A process that is paused while its clock goes on (turmoil runs every process in every step, and has no way to leave one
//! out), TLS, and recovery from a majority that is lost. The tests of real processes have all three. What a leader makes of
//! the replies that have waited for it meanwhile is in [`late_replies`].

mod clients;
mod cluster;
mod crash_and_stops;
mod interposition;
mod invariants;
mod late_replies;
mod mishaps;
mod nemesis;
mod network;
mod pods;
mod process;
mod run;
mod sabotage;
mod scenarios;
mod seeds;
mod subprocess;
mod trace;

#[path = "../checking"]
#[allow(dead_code)]
mod checking {
    //! The checker of histories that the tests of real processes use.
    pub mod checker;
    pub mod history;
    mod register;
}
