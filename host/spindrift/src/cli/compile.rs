//! [`CompileArgs`] and `spindrift compile`: an application's components, compiled ahead of time.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use spindrift_registry::Source;
use spindrift_runtime::compile_into;

use super::{FetchArgs, LogArgs, source};
use crate::logging;

/// What `spindrift compile` can be told.
#[derive(Debug, Clone, Args)]
pub struct CompileArgs {
    /// The application: a spin.toml, the folder that has one, or a reference to a registry
    #[arg(
        short = 'f',
        long,
        value_name = "APPLICATION",
        default_value = "spin.toml",
        value_parser = source::parse
    )]
    pub from: Source,

    /// Speak HTTP without TLS to the registry
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// Folder to write to, for `spindrift up --compiled-dir`. The command makes the folder if it is missing. Only its owner
    /// may be able to write to it
    #[arg(short = 'o', long, value_name = "FOLDER")]
    pub output: PathBuf,

    /// What is fetched.
    #[command(flatten)]
    pub fetch: FetchArgs,

    /// Logs.
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Compiles the components, and prints the id and the file of each.
///
/// # Errors
///
/// The application is wrong, is not built, or is not supported here; the folder cannot be used.
pub fn compile(args: &CompileArgs) -> Result<ExitCode> {
    logging::init(&args.logs.options())?;
    let application = args.fetch.load(&args.from, args.insecure)?;
    application.check_sources()?;
    let files = compile_into(&application, &args.output)?;
    let mut stdout = std::io::stdout();
    for (component, file) in application.components.iter().zip(files) {
        writeln!(stdout, "{} {}", component.id, file.display())
            .context("standard output cannot be written to")?;
    }
    Ok(ExitCode::SUCCESS)
}
