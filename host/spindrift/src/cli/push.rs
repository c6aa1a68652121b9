//! [`PushArgs`] and `spindrift push`: an application into a registry.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use spindrift_registry::{self as registry, PushOptions, Reference, Source};
use spindrift_values::boolean;

use super::{FetchArgs, LogArgs, source, start};
use crate::logging;

/// What `spindrift push` can be told.
#[derive(Debug, Clone, Args)]
pub struct PushArgs {
    /// Where the application goes: registry/repository:tag, such as ghcr.io/acme/store:v1
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    pub reference: Reference,

    /// The application: a spin.toml, or the folder that has one
    #[arg(
        short = 'f',
        long,
        alias = "file",
        value_name = "APPLICATION",
        default_value = "spin.toml",
        value_parser = source::parse_path
    )]
    pub from: PathBuf,

    /// Run the components' build commands first
    #[arg(long, env = "SPIN_ALWAYS_BUILD", value_parser = boolean::parse_variable)]
    pub build: bool,

    /// Speak HTTP without TLS to the registry
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// What is fetched. The registry that is pushed to is asked in any case.
    #[command(flatten)]
    pub fetch: FetchArgs,

    /// Logs.
    #[command(flatten)]
    pub logs: LogArgs,
}

/// Pushes the application, and prints the reference with its digest.
///
/// # Errors
///
/// The application is wrong, is not built, or is not supported here; the registry does not take it.
pub fn push(args: &PushArgs) -> Result<ExitCode> {
    logging::init(&args.logs.options())?;
    let source = Source::Path(args.from.clone());
    let application = args.fetch.load(&source, args.insecure)?;
    if args.build {
        spindrift_app::build(&application, start::announce)?;
    }
    application.check_sources()?;
    let options = PushOptions {
        insecure: args.insecure,
    };
    let pushed =
        registry::push(&application, &args.reference, &options).map_err(start::for_a_terminal)?;
    writeln!(std::io::stdout(), "{pushed}").context("standard output cannot be written to")?;
    Ok(ExitCode::SUCCESS)
}
