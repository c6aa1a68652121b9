//! [`CompletionsArgs`] and `spindrift completions`: a script with which a shell completes commands and flags.

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::print::print;

/// What `spindrift completions` can be told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Bash reads the script with `source <(spindrift completions bash)`, and Fish with `spindrift completions fish | source`. For Zsh, \
write it to a file named `_spindrift` in a folder of `$fpath`.")]
pub struct CompletionsArgs {
    /// The shell that reads the script
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// Prints the script for a program.
///
/// # Errors
///
/// Standard output cannot be written to.
pub(super) fn completions(args: &CompletionsArgs, mut program: Command) -> Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut program, name, &mut script);
    print(script)
}
