//! [`ManArgs`] and `spindrift man`: manual pages, one for the program and one for each of its commands.

use anyhow::{Context, Result, anyhow};
use clap::{Args, Command};
use clap_mangen::Man;

use super::print::print;

/// The commands, which all have a page.
const COMMANDS: [&str; 8] = [
    "up",
    "push",
    "compile",
    "status",
    "recover",
    "completions",
    "man",
    "reference",
];

/// What `spindrift man` can be told.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "`spindrift man up | man -l -` shows the page of `spindrift up` where `man` is that of Linux."
)]
pub struct ManArgs {
    /// The command whose page is printed [default: the page of `spindrift`, which names the commands]
    #[arg(value_name = "COMMAND", value_parser = COMMANDS, hide_possible_values = true)]
    pub command: Option<String>,
}

/// Prints the page of a program, or of one of its commands.
///
/// # Errors
///
/// Standard output cannot be written to.
pub(super) fn man(args: &ManArgs, program: Command) -> Result<()> {
    // No page is named after the command `help`.
    let mut program = program.disable_help_subcommand(true);
    // Commands get the names that their pages have.
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| anyhow!("there is no command {name:?}"))?,
    };
    let mut page = Vec::new();
    let version = concat!("spindrift ", env!("CARGO_PKG_VERSION"));
    let rendered = Man::new(command)
        .source(version)
        .manual("Spindrift")
        .render(&mut page);
    rendered.context("the page cannot be made")?;
    print(page)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page() {
        let program = Cli::command();
        let commands: Vec<_> = program
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(commands, COMMANDS);
    }
}
