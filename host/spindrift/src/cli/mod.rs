//! The command line: commands, flags, their environment variables and what each may be.
//!
//! [`parse`] turns arguments into a [`Cli`] or into an error that `clap` prints: help and version exit 0, wrong usage
//! exits 2. [`run`] does what was asked; whatever goes wrong then is for the caller to report, with exit code 1.
//!
//! | file | subject |
//! | --- | --- |
//! | `command` | [`Cli`], [`Command`] and [`parse`] |
//! | `run` | [`run`]: does what a command asks for |
//! | `up` | [`UpArgs`]: the flags of `spindrift up` |
//! | `listen` | [`ListenArgs`]: address and TLS |
//! | `instances` | [`InstanceArgs`]: instances, their reuse, memory and time |
//! | `limits` | [`LimitArgs`]: what clients may send and how much is held |
//! | `replication` | [`ReplicationArgs`]: the cluster, and this node's place in it |
//! | `discover` | where the other nodes of a cluster are known from: the flags, or Kubernetes |
//! | `credentials` | [`CredentialArgs`]: the cluster's token and TLS |
//! | `logs` | [`LogArgs`] and [`LogLimitArgs`]: log format and level, and how much of it there may be |
//! | `refused` | flags of `spin up` that mean nothing here, with the reason for each |
//! | `source` | what `--from` may be |
//! | `fetch` | [`FetchArgs`]: what is fetched, for commands that run nothing |
//! | `cache` | where things are kept between starts, if no folder is named |
//! | `print` | what a command says on standard output |
//! | `environment` | variables that stand for flags: empty ones, and those with a wrong value |
//! | `exit_code` | the exit codes |
//! | `printable` | text from another machine, for a terminal |
//! | `start` | `spindrift up`: puts the parts together and serves |
//! | `compile` | [`CompileArgs`], `spindrift compile`: components compiled ahead of time |
//! | `completions` | [`CompletionsArgs`], `spindrift completions`: what a shell completes with |
//! | `reference` | `spindrift reference`: prints `docs/reference.md` |
//! | `man` | [`ManArgs`], `spindrift man`: manual pages |
//! | `push` | [`PushArgs`], `spindrift push`: an application into a registry |
//! | `huge_pages` | which pages of memory a node takes |
//! | `shutdown` | when that stops, and how long each step may take |
//! | `status` | [`StatusArgs`], `spindrift status`: prints the state of a cluster |
//! | `recover` | [`RecoverArgs`], `spindrift recover`: makes a cluster of one node that is left |

mod cache;
mod command;
mod compile;
mod completions;
mod credentials;
mod discover;
mod environment;
mod exit_code;
mod fetch;
mod huge_pages;
pub(crate) mod instances;
mod limits;
pub(crate) mod listen;
mod logs;
mod man;
mod print;
mod printable;
mod push;
mod recover;
mod reference;
mod refused;
mod replicate;
mod replication;
mod run;
mod shutdown;
mod source;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod up;

pub use command::{Cli, Command, parse};
pub use compile::CompileArgs;
pub use completions::CompletionsArgs;
pub use credentials::CredentialArgs;
pub use fetch::FetchArgs;
pub use instances::InstanceArgs;
pub use limits::LimitArgs;
pub use listen::{ListenArgs, OutputFormat};
pub use logs::{LogArgs, LogLimitArgs};
pub use man::ManArgs;
pub use push::PushArgs;
pub use recover::RecoverArgs;
pub use refused::ignored_environment;
pub use replication::ReplicationArgs;
use run::ask;
pub use run::run;
pub use status::StatusArgs;
pub use up::UpArgs;
