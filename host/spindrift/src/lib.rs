//! The parts of the `spindrift` binary: commands and their flags, the runtime configuration, the admin server, the log.
//!
//! The binary wires the crates beneath it together. `spindrift-registry` loads an application, `spindrift-runtime` compiles
//! it, `spindrift-gateway` serves it, and `spindrift-store` or `spindrift-replication` keeps its data.
//!
//! | module | subject |
//! | --- | --- |
//! | [`cli`] | the commands and their flags; starting and stopping a node |
//! | [`runtime_config`] | the file that `--runtime-config-file` names |
//! | [`admin`] | the admin port: status and metrics |
//! | [`logging`] | where the log goes, and in which form |

pub mod admin;
pub mod cli;
pub mod logging;
pub mod runtime_config;
