//! [`Origin`]: where an application comes from, as its errors name it.

use std::fmt;
use std::path::PathBuf;

use super::AppError;

/// Where an application comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A manifest, whose lines errors name.
    Manifest(PathBuf),
    /// A registry, by a reference with its digest. What was a manifest has no lines any more, so errors name the component
    /// or the trigger.
    Registry(String),
}

impl Origin {
    /// An error about the application, at this line of its manifest if it has lines.
    pub fn error(&self, line: usize, message: String) -> AppError {
        match self {
            Self::Manifest(path) => AppError::Manifest {
                path: path.clone(),
                line,
                message,
            },
            Self::Registry(reference) => AppError::Locked {
                reference: reference.clone(),
                message,
            },
        }
    }

    /// Where this line of the manifest is, as errors begin: `spin.toml:8`; the reference where there are no lines.
    pub fn place(&self, line: usize) -> String {
        match self {
            Self::Manifest(path) => format!("{}:{line}", path.display()),
            Self::Registry(reference) => reference.clone(),
        }
    }

    /// Whether errors have a line to name.
    pub(crate) fn has_lines(&self) -> bool {
        matches!(self, Self::Manifest(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(path) => write!(f, "{}", path.display()),
            Self::Registry(reference) => f.write_str(reference),
        }
    }
}
