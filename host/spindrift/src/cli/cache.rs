//! Where compiled components, and what comes over the network, are kept when no folder is named.

use std::path::{Path, PathBuf};

/// The default folder, if there is one that can be written to. A read-only file system, as a container may have, is no
/// reason not to start, but one to say what it costs.
pub(super) fn usable_default() -> Option<PathBuf> {
    let folder = default_folder(|name| std::env::var_os(name).map(PathBuf::from))?;
    match probe(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            tracing::warn!(
                "{} cannot be written to ({error}), so every start compiles and downloads everything anew; name another folder with --cache-dir",
                folder.display()
            );
            None
        }
    }
}

/// `$XDG_CACHE_HOME/spindrift`, or `$HOME/.cache/spindrift`. The specification has relative folders ignored. A process
/// without a home, such as one in a bare container, has no cache unless it is told one.
fn default_folder(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| var(name).filter(|path| path.is_absolute());
    let cache =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("spindrift"))
}

/// Makes the folder, and sees whether it can be written to.
fn probe(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_xdg_specification_has_it() {
        let find = |set: &[(&str, &str)]| {
            let set: Vec<(String, PathBuf)> = set
                .iter()
                .map(|(k, v)| (k.to_string(), PathBuf::from(v)))
                .collect();
            default_folder(|name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(
            find(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]),
            Some(PathBuf::from("/c/spindrift"))
        );
        assert_eq!(
            find(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/spindrift"))
        );
        assert_eq!(
            find(&[("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/spindrift"))
        );
        assert_eq!(find(&[("HOME", "")]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn a_folder_below_a_file_cannot_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        assert!(probe(&folder.path().join("a/b")).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(probe(&file.join("a")).is_err());
    }
}
