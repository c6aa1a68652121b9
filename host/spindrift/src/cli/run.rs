//! [`run`]: does what the command line asks for.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::CommandFactory;
use spindrift_replication::remote::RemoteError;

use super::printable::printable;
use super::{Cli, Command, compile, completions, man, push, recover, reference, start, status};

/// Carries out a command, and says with which code the program ends.
///
/// # Errors
///
/// Whatever kept it from being done, in words; the program ends with 1 then.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Up(args) => start::up(args).map(|()| ExitCode::SUCCESS),
        Command::Push(args) => push::push(args),
        Command::Compile(args) => compile::compile(args),
        Command::Status(args) => status::status(args),
        Command::Recover(args) => recover::recover(args),
        Command::Completions(args) => {
            completions::completions(args, Cli::command()).map(|()| ExitCode::SUCCESS)
        }
        Command::Man(args) => man::man(args, Cli::command()).map(|()| ExitCode::SUCCESS),
        Command::Reference => reference::reference().map(|()| ExitCode::SUCCESS),
    }
}

/// Waits for what a command asks of a node. A refusal is in the words of the node.
pub(super) fn ask<T>(question: impl Future<Output = Result<T, RemoteError>>) -> Result<T> {
    let thread = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no input and output could be set up")?;
    thread
        .block_on(question)
        .map_err(|error| anyhow!(printable(&error.to_string())))
}
