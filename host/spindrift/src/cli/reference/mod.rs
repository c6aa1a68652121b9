//! `spindrift reference`: a page in Markdown with all that a node may be told, and all that it may answer. `docs/reference.md`
//! is this page.
//!
//! | file | subject |
//! | --- | --- |
//! | `commands` | the commands and their flags, as `clap` knows them |
//! | `configuration` | the keys of the runtime configuration |
//! | `http` | status codes of the public port, and the paths that the host answers itself |
//! | `markdown` | the few forms that the page needs |

mod commands;
mod configuration;
mod http;
mod markdown;

use anyhow::Result;
use clap::CommandFactory;

use super::exit_code::EXIT_CODES;
use super::print::print;
use super::{Cli, refused};
use markdown::{flags_as_code, table};

const INTRODUCTION: &str = "\
# Reference

Every command, flag, environment variable, configuration key, status code and exit code of `spindrift`. `scripts/reference.sh`
generates this page from the program. Do not edit it.

- [Commands](#commands) and their flags
- [Runtime configuration](#runtime-configuration)
- [HTTP status codes](#http-status-codes)
- [Probes and admin port](#probes-and-admin-port)
- [Exit codes](#exit-codes)

";

/// Prints the page.
///
/// # Errors
///
/// Standard output cannot be written to.
pub(super) fn reference() -> Result<()> {
    print(page())
}

/// The page.
fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let exit_codes = EXIT_CODES.map(|(code, meaning)| [code.to_string(), meaning.to_owned()]);
    [
        INTRODUCTION.to_owned(),
        commands::section(&program),
        refused_flags(),
        configuration::section(&program),
        http::statuses(),
        http::paths(),
        "\n## Exit codes\n\n".to_owned(),
        table(&["code", "meaning"], exit_codes),
    ]
    .concat()
}

fn refused_flags() -> String {
    let flags =
        refused::reasons().map(|(flag, reason)| [format!("`{flag}`"), flags_as_code(reason)]);
    "\n### Flags of spin up\n\n\
     `spindrift up` refuses these flags of `spin up`, with the reason. It ends with exit code 2.\n\n"
        .to_owned()
        + &table(&["flag", "reason"], flags)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_the_repository_is_up_to_date() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
        let there = std::fs::read_to_string(file).unwrap_or_default();
        let page = page();
        let same = page.lines().zip(there.lines());
        let same = same.take_while(|(expected, found)| expected == found);
        let line = same.count() + 1;
        assert!(
            page == there,
            "docs/reference.md is out of date from line {line} on: run scripts/reference.sh"
        );
    }

    #[test]
    fn the_page_depends_on_no_environment_and_hides_what_help_hides() {
        let page = page();
        for hidden in [
            "--from-file",
            "concurrent-reuse",
            env!("CARGO_MANIFEST_DIR"),
        ] {
            assert!(!page.contains(hidden), "{hidden}");
        }
        for part in ["`SPINDRIFT_VOTERS`", "`--voters N`", "`voters`"] {
            assert!(page.contains(part), "{part}");
        }
    }
}
