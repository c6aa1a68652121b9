//! [`Source`]: where an application is loaded from, and [`load()`].

use std::path::PathBuf;

use spindrift_app::Application;

use super::pull::{PullOptions, pull};
use super::{Reference, RegistryError};

/// Where an application is loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A manifest, or a folder with a `spin.toml`.
    Path(PathBuf),
    /// An application in a registry.
    Registry(Reference),
}

/// Loads the application from `source`, and keeps only these `components` of it, or all if `components` is empty.
///
/// # Errors
///
/// As [`spindrift_app::load()`] for a path, and or an error of the registry for a reference.
pub fn load(
    source: &Source,
    components: &[String],
    options: &PullOptions,
) -> Result<Application, RegistryError> {
    match source {
        Source::Path(path) => Ok(spindrift_app::load(path, components)?),
        Source::Registry(reference) => pull(reference, components, options),
    }
}
