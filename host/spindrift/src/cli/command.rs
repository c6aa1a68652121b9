//! [`Cli`], its [`Command`]s, and [`parse`].

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    CompileArgs, CompletionsArgs, ManArgs, PushArgs, RecoverArgs, StatusArgs, UpArgs, environment,
    refused, source,
};

/// A replicated, in-memory key-value store for Spin applications.
#[derive(Debug, Clone, Parser)]
#[command(name = "spindrift", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run a Spin application
    ///
    /// Takes the flags of `spin up` that mean something here, and refuses the others with the reason. A flag wins over its
    /// environment variable.
    Up(Box<UpArgs>),

    /// Put a Spin application into a registry
    ///
    /// The application has the form there that `spin registry push` gives it, so both `spindrift up --from` and `spin up --from`
    /// take it. Prints the reference with its digest.
    Push(PushArgs),

    /// Compile a Spin application's components ahead of time
    ///
    /// With them, `spindrift up --compiled-dir` starts without compiling. The code runs on any CPU of this machine's architecture,
    /// and only with the Wasmtime of this `spindrift`. Prints the id and the file of each component.
    Compile(CompileArgs),

    /// Show the nodes of a cluster
    ///
    /// Asks one node, on its peer port, for the state of the cluster that replicates the application's stores.
    Status(StatusArgs),

    /// Form a cluster anew from one node that is left
    ///
    /// Use it when a majority of the voters is lost for good. A majority that is only unreachable comes back by itself, with
    /// every write, and needs no recovery.
    Recover(RecoverArgs),

    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArgs),

    /// Print a manual page
    ///
    /// The page is in the form that `man` reads.
    Man(ManArgs),

    /// Print the reference of this version as Markdown
    ///
    /// Lists all flags, environment variables, keys of the runtime configuration, HTTP status codes and exit codes.
    Reference,
}

/// Reads the command line, program name first.
///
/// # Errors
///
/// Help and version, as `clap` has it, and whatever is wrong with the arguments. [`clap::Error::exit`] prints it and exits
/// with 0 or 2.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    parse_as(Cli::command(), arguments)
}

/// As [`parse`], blind to the environment of the process that runs the tests.
#[cfg(test)]
pub(super) fn parse_without_environment(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let blind = |command: clap::Command| command.mut_args(|arg| arg.env(None::<&str>));
    parse_as(Cli::command().mut_subcommands(blind), arguments)
}

fn parse_as(
    command: clap::Command,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = environment::without_empty(command).mut_subcommand("up", refused::add_to);
    let matches = command
        .try_get_matches_from_mut(&arguments)
        .map_err(|error| environment::name_variable(error, &command, &arguments))?;
    if let Some(("up", up)) = matches.subcommand() {
        refused::check(up).map_err(|error| error.with_cmd(&command))?;
        source::check(up).map_err(|error| error.with_cmd(&command))?;
    }
    Cli::from_arg_matches(&matches).map_err(|error| error.with_cmd(&command))
}
