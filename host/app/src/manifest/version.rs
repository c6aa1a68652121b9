//! [`Version`]: which form of manifest it is.

use super::reader::Section;
use crate::AppError;

/// The form of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// That of Spin 1.
    One,
    /// That of Spin 2 and later.
    Two,
}

impl Version {
    /// Reads it from the manifest itself.
    pub(crate) fn read(manifest: &mut Section<'_>) -> Result<Self, AppError> {
        let version = manifest.take("spin_manifest_version");
        // As Spin had it at first.
        let version = version.or_else(|| manifest.take("spin_version"));
        let Some(version) = version else {
            let hint = match manifest.take("component_manifest_version") {
                Some(_) => "; this is the manifest of a component, not of an application",
                None => "",
            };
            return Err(manifest.error(format!(
                "the manifest has no `spin_manifest_version`; write `spin_manifest_version = 2` in its first line{hint}"
            )));
        };
        match version.describe().as_str() {
            "2" => Ok(Self::Two),
            "\"1\"" => Ok(Self::One),
            "1" => Err(version.error(format!(
                "unknown `{}` 1; version 1 is written \"1\", in quotes",
                version.key
            ))),
            other => Err(version.error(format!(
                "unknown `{}` {other}; write `spin_manifest_version = 2`, a number without quotes",
                version.key
            ))),
        }
    }
}
