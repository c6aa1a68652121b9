//! Parsing `spindrift up`, for the other tests.

use crate::cli::command::parse_without_environment;
use crate::cli::{Cli, Command, UpArgs};

pub(super) fn try_up(flags: &[&str]) -> Result<UpArgs, clap::Error> {
    parse_without_environment(["spindrift", "up"].iter().chain(flags)).map(unwrap_up)
}

pub(super) fn unwrap_up(cli: Cli) -> UpArgs {
    match cli.command {
        Command::Up(up) => *up,
        other => panic!("{other:?}"),
    }
}

pub(super) fn up(flags: &[&str]) -> UpArgs {
    try_up(flags).unwrap_or_else(|error| panic!("{flags:?}: {error}"))
}

pub(super) fn refusal(flags: &[&str]) -> String {
    let error = try_up(flags).expect_err(&format!("{flags:?}"));
    assert_eq!(error.exit_code(), 2, "{flags:?}");
    error.to_string()
}
