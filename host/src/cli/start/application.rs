//! Getting the application: from its registry or its folder, downloaded and built.

use std::path::PathBuf;

use anyhow::Result;

use crate::app::{self, AppError, Application, Source, registry};
use crate::cli::UpArgs;
use crate::cli::printable::printable;
use crate::gateway::Health;

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
    let options = args.load_options(cache);
    let mut application = app::load(&source, &options).map_err(for_a_terminal)?;
    for warning in &application.warnings {
        tracing::warn!("{warning}");
    }
    if application.has_downloads() {
        health.wait_for("the components are being downloaded");
        registry::download(&mut application, &options.registry).map_err(for_a_terminal)?;
    }
    // What comes from a registry is built already, so there `SPIN_ALWAYS_BUILD` means nothing.
    if args.build && matches!(source, Source::Path(_)) {
        health.wait_for("the components are being built");
        app::build(&application)?;
    }
    application.check_sources()?;
    Ok(application)
}

/// What is wrong with an application may be in the words of a registry.
pub(in crate::cli) fn for_a_terminal(error: AppError) -> anyhow::Error {
    anyhow::anyhow!(printable(&error.to_string()))
}
