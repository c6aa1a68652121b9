//! What can be wrong with an application, in words for the person who wrote it.

use std::path::{Path, PathBuf};

/// Why an application could not be loaded, resolved, staged or built. The text says what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The manifest says something that is wrong or not supported here.
    #[error("{}:{line}: {message}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong and what to do about it.
        message: String,
    },
    /// An application from a registry says something that is wrong or not supported here.
    #[error("{reference}: {message}")]
    Locked {
        /// The reference, with its digest.
        reference: String,
        /// What is wrong, with the name of the component or trigger.
        message: String,
    },
    /// There is no manifest.
    #[error(
        "there is no {}; name a manifest, a folder with a `spin.toml`, or a reference to a registry with `-f`",
        path.display()
    )]
    NoManifest {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Variables: a malformed `--variable`, a required value that is missing, and the like. Values are never named.
    #[error("{0}")]
    Variables(String),
    /// A build command failed or could not be started.
    #[error("{0}")]
    Build(String),
    /// The choice of components (`-c`, `SPIN_COMPONENTS_TO_RETAIN`) does not fit the application.
    #[error("{0}")]
    Components(String),
}

impl AppError {
    /// An error of the system, on this file or folder.
    pub fn io(action: &'static str, path: &Path, reason: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            reason,
        }
    }
}
