//! Environment variables that stand for flags: an empty one counts as none, and an error about a value names the variable that
//! it comes from.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// The command, without those of its variables that are empty.
pub(super) fn without_empty(command: Command) -> Command {
    without(command, |variable| {
        std::env::var_os(variable).is_some_and(|value| value.is_empty())
    })
}

/// Adds the variable to an error about a value, if the value is not one of the arguments.
pub(super) fn name_variable(
    mut error: clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> clap::Error {
    let Some(flag) = wrong_flag(&error) else {
        return error;
    };
    let declared = command.get_subcommands().flat_map(Command::get_arguments);
    let mut variables = declared
        .filter(|arg| arg.get_long() == Some(flag.as_str()))
        .filter_map(Arg::get_env);
    let Some(variable) = variables.find(|variable| std::env::var_os(variable).is_some()) else {
        return error;
    };
    // The error does not say where the value comes from. It remains without the environment if an argument is at fault.
    let blind = without(command.clone(), |_| true).try_get_matches_from(arguments);
    let remains = blind.is_err_and(|blind| wrong_flag(&blind).as_ref() == Some(&flag));
    if !remains {
        let tip = format!(
            "the value comes from the environment variable {}",
            variable.display()
        );
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// The flag whose value the error is about, without its dashes.
fn wrong_flag(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (
            ErrorKind::InvalidValue | ErrorKind::ValueValidation,
            Some(ContextValue::String(flag)),
        ) => {
            // As in `--voters <N>`.
            let flag = flag.strip_prefix("--")?;
            let name = flag.split([' ', '[', '=']).next()?;
            Some(name.to_owned())
        }
        _ => None,
    }
}

/// The command, without the variables that are chosen.
fn without(command: Command, chosen: impl Fn(&OsStr) -> bool) -> Command {
    command.mut_subcommands(|command| {
        command.mut_args(|arg| match arg.get_env() {
            Some(variable) if chosen(variable) => arg.env(None::<&str>),
            _ => arg,
        })
    })
}
