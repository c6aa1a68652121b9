//! `spindrift up`: reads everything, puts the parts together, serves, and stops on a signal.
//!
//! The process listens as early as it can, and answers by itself until the application is served: what a start waits for, a
//! registry or the API server of Kubernetes, may take long, and whoever asks meanwhile should hear what it is. A probe that
//! is not answered would have the process started again, to wait anew.
//!
//! | file | subject |
//! | --- | --- |
//! | `process` | [`up`]: what the process needs, and what comes after serving |
//! | `sequence` | the start, step by step, to the end of serving |
//! | `open_files` | how many files the process may open, and for what |
//! | `ports` | where clients and operators are answered, from the start on |
//! | `application` | the application, from its registry or its folder |
//! | `options` | what each part is told |
//! | `memory` | what stores may hold by default, and whether what they may hold fits |
//! | `announce` | what is printed once the application is served |
//! | `first_request` | what a person at a terminal may try then |

mod announce;
mod application;
mod first_request;
mod memory;
mod open_files;
mod options;
mod ports;
mod process;
mod sequence;

pub(super) use application::{announce, for_a_terminal};
pub use process::up;
