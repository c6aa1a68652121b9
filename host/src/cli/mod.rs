//! The command line: commands, flags, their environment variables and what each may be.
//!
//! [`parse`] turns arguments into a [`Cli`] or into an error that `clap` prints: help and version exit 0, wrong usage
//! exits 2. Whatever goes wrong later, while starting, is for the caller to report, with exit code 1.
//!
//! | file | subject |
//! | --- | --- |
//! | `command` | [`Cli`], [`Command`] and [`parse`] |
//! | `up` | [`UpArgs`]: the flags of `spindrift up` |
//! | `listen` | [`ListenArgs`]: address and TLS |
//! | `instances` | [`InstanceArgs`]: instances, their reuse, memory and time |
//! | `limits` | [`LimitArgs`]: what clients may send and how much is held |
//! | `logs` | [`LogArgs`]: log format and level |
//! | `refused` | flags of `spin up` that mean nothing here, with the reason for each |
//! | `source` | what `--from` may be |
//! | `range` | [`Range`]: one value, or one drawn from a range |
//! | `duration` | durations with Spin's suffixes |
//! | `byte_size` | [`ByteSize`]: bytes with a unit |
//! | `start` | [`up`]: puts the parts together and serves |

pub mod byte_size;
mod command;
mod duration;
mod instances;
mod limits;
mod listen;
mod logs;
mod range;
mod refused;
mod source;
mod start;
#[cfg(test)]
mod tests;
mod up;

pub use byte_size::ByteSize;
pub use command::{Cli, Command, parse};
pub use instances::InstanceArgs;
pub use limits::LimitArgs;
pub use listen::{ListenArgs, OutputFormat};
pub use logs::LogArgs;
pub use range::Range;
pub use refused::ignored_environment;
pub use start::up;
pub use up::UpArgs;
