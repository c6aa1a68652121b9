//! The command line as a whole: every flag, its environment variable, its default, and what it refuses.

mod environment;
mod flags;
mod parsing;
mod refusals;
mod replication;
mod shutdown;
mod switches;
