//! [`Stamp`]: tells whether a file has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file's inode, its size and when it was last written; `None` while the file is missing. Where a link leads to another file, as
/// Kubernetes has it when a Secret changes, that is a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    /// The file as it is now.
    pub fn of(file: &Path) -> Self {
        let seen = fs::metadata(file).ok();
        Self(seen.map(|seen| (seen.ino(), seen.size(), seen.mtime(), seen.mtime_nsec())))
    }
}
