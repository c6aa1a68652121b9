//! Getting the application: from its registry or its folder, downloaded and built.

use std::path::PathBuf;

use anyhow::Result;
use spindrift_app::Application;
use spindrift_gateway::Health;
use spindrift_registry::{self as registry, RegistryError, Source};

use crate::cli::UpArgs;
use crate::cli::printable::printable;
use crate::logging;

/// The application, with its components downloaded or built. Takes as long as the registry, the downloads or the build do; `health` is told which.
///
/// # Errors
///
/// Anything that is wrong with the application, or that keeps it from being had.
pub(super) fn load(args: &UpArgs, cache: Option<PathBuf>, health: &Health) -> Result<Application> {
    let source = args.application();
    match &source {
        Source::Path(_) => health.wait_for("the application is being read"),
        Source::Registry(reference) => {
            health.wait_for(format!("the application {reference} is being pulled"));
        }
    }
    let options = args.pull_options(cache);
    let mut application =
        registry::load(&source, &args.components(), &options).map_err(for_a_terminal)?;
    for warning in &application.warnings {
        tracing::warn!("{warning}");
    }
    if application.has_downloads() {
        health.wait_for("the components are being downloaded");
        registry::download(&mut application, &options).map_err(for_a_terminal)?;
    }
    // What comes from a registry is built already, so there `SPIN_ALWAYS_BUILD` means nothing.
    if args.build && matches!(source, Source::Path(_)) {
        health.wait_for("the components are being built");
        spindrift_app::build(&application, announce)?;
    }
    application.check_sources()?;
    Ok(application)
}

/// Prints a line about a build command. The line is out before the command itself prints something.
pub(in crate::cli) fn announce(line: &str) {
    logging::say(line);
    logging::flush();
}

/// What is wrong with an application may be in the words of a registry.
pub(in crate::cli) fn for_a_terminal(error: RegistryError) -> anyhow::Error {
    anyhow::anyhow!(printable(&error.to_string()))
}
