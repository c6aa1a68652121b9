//! `files` and `exclude_files`: what a component sees of the disk.
//!
//! A component never sees the application's folder itself: its files are copied into a folder of its own, so what is
//! excluded is not there, and a change on the disk does not reach an application that runs.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::{AppError, Origin};

/// One entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMount {
    /// A path or, without a destination, a glob pattern, relative to the application's folder.
    pub source: String,
    /// Where the guest sees the source. Without one, files keep their paths relative to the application's folder.
    pub destination: Option<String>,
    /// The entry's line in the manifest.
    pub line: usize,
}

/// The files of one component.
#[derive(Debug, Clone)]
pub struct Files {
    /// The entries of `files`.
    pub mounts: Vec<FileMount>,
    /// The patterns of `exclude_files`, relative to the application's folder. In them, `*` stands for `/` too.
    pub exclude: Vec<Pattern>,
    pub(crate) origin: Origin,
    pub(crate) root: PathBuf,
}

/// A file on the host and where the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// The file on the host, absolute.
    pub host: PathBuf,
    /// Its path in the guest, absolute.
    pub guest: PathBuf,
}

/// Checks the source of a mount that has a destination. As under Spin, it may be beside the application's folder, or the folder
/// itself.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(crate) fn check_placed(source: &str) -> Result<(), String> {
    if source.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if Path::new(source).has_root() {
        return Err(format!(
            "{source:?} is absolute; write it relative to the application's folder"
        ));
    }
    Ok(())
}

/// Checks the source of a mount without a destination, which is a pattern.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(crate) fn check_pattern(source: &str) -> Result<(), String> {
    check_placed(source)?;
    let path = Path::new(source);
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!(
            "{source:?} leads out of the application's folder; write where its files are to be, as in {{ source = {source:?}, \
             destination = \"/\" }}"
        ));
    }
    if path.components().all(|part| part == Component::CurDir) || source.ends_with("/.") {
        return Err(format!(
            "{source:?} is a folder; write \"./**/*\" for everything in it"
        ));
    }
    match Pattern::new(source) {
        Err(error) if is_glob(source) => Err(format!("{source:?} is no glob pattern: {error}")),
        _ => Ok(()),
    }
}

fn is_glob(source: &str) -> bool {
    source.contains(['*', '?', '['])
}

impl Files {
    /// Whether the component has no files, so that it needs no preopened folder.
    pub fn is_empty(&self) -> bool {
        self.mounts.is_empty()
    }

    /// Every file that the component sees, sorted by its path in the guest. Of two entries that put a file at the same
    /// path, the later one counts.
    ///
    /// # Errors
    ///
    /// [`AppError::Manifest`] with the entry's line when a source is missing or two files are in each other's way,
    /// [`AppError::Io`] when a folder cannot be read.
    pub fn resolve(&self) -> Result<Vec<StagedFile>, AppError> {
        let mut files = BTreeMap::new();
        for mount in &self.mounts {
            for file in self.resolve_mount(mount)? {
                files.insert(file.guest, (file.host, mount.line));
            }
        }
        for (guest, (_, line)) in &files {
            let folder = guest
                .ancestors()
                .skip(1)
                .find(|folder| files.contains_key(*folder));
            if let Some(folder) = folder {
                return Err(self.error(
                    *line,
                    format!(
                        "{} would lie in {}, which another entry makes a file",
                        guest.display(),
                        folder.display()
                    ),
                ));
            }
        }
        Ok(files
            .into_iter()
            .map(|(guest, (host, _))| StagedFile { host, guest })
            .collect())
    }

    /// Copies the files into the folder `dest`, laid out as the guest sees them, and creates the folder if necessary. It
    /// can then be preopened, read-only, as the guest's `/`.
    ///
    /// # Errors
    ///
    /// As [`Files::resolve`], and [`AppError::Io`] when a file cannot be copied.
    pub fn stage(&self, dest: &Path) -> Result<(), AppError> {
        std::fs::create_dir_all(dest).map_err(|error| AppError::io("create", dest, error))?;
        for file in self.resolve()? {
            let target = dest.join(file.guest.strip_prefix("/").unwrap_or(&file.guest));
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| AppError::io("create", folder, error))?;
            }
            std::fs::copy(&file.host, &target)
                .map_err(|error| AppError::io("copy", &file.host, error))?;
        }
        Ok(())
    }

    fn resolve_mount(&self, mount: &FileMount) -> Result<Vec<StagedFile>, AppError> {
        let path = self.root.join(&mount.source);
        let (pattern, base, guest) = match (&mount.destination, path.is_dir(), path.is_file()) {
            (Some(guest), true, _) => (everything_in(&path)?, path, absolute(guest)),
            (Some(guest), false, true) => {
                if guest.ends_with('/') {
                    return Err(self.error(
                        mount.line,
                        format!("the destination {guest:?} is a folder and the source {:?} a file; name the file", mount.source),
                    ));
                }
                return Ok(self.keep(path, absolute(guest)).into_iter().collect());
            }
            (None, true, _) => (everything_in(&path)?, self.root.clone(), PathBuf::from("/")),
            (None, false, true) => {
                let guest = Path::new("/").join(clean(&mount.source));
                return Ok(self.keep(path, guest).into_iter().collect());
            }
            (None, false, false) if is_glob(&mount.source) => {
                let pattern = format!(
                    "{}/{}",
                    escaped(&self.root)?,
                    clean(&mount.source).display()
                );
                (pattern, self.root.clone(), PathBuf::from("/"))
            }
            (_, false, false) => {
                return Err(self.error(
                    mount.line,
                    format!(
                        "`files`: there is no {:?} in {}",
                        mount.source,
                        self.root.display()
                    ),
                ));
            }
        };
        let mut files = Vec::new();
        let found = glob::glob(&pattern)
            .map_err(|error| self.error(mount.line, format!("{:?}: {error}", mount.source)))?;
        for host in found {
            let host = host.map_err(|error| {
                let path = error.path().to_owned();
                AppError::io("read", &path, error.into())
            })?;
            if host.is_file()
                && let Ok(relative) = host.strip_prefix(&base)
            {
                let guest = guest.join(relative);
                files.extend(self.keep(host, guest));
            }
        }
        Ok(files)
    }

    /// The file, unless it is excluded.
    fn keep(&self, host: PathBuf, guest: PathBuf) -> Option<StagedFile> {
        let relative = clean(host.strip_prefix(&self.root).unwrap_or(&host));
        let excluded = self
            .exclude
            .iter()
            .any(|pattern| pattern.matches_path(&relative));
        (!excluded).then_some(StagedFile { host, guest })
    }

    fn error(&self, line: usize, message: String) -> AppError {
        self.origin.error(line, message)
    }
}

/// A path without `.` in it.
fn clean(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref()
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

fn absolute(guest: &str) -> PathBuf {
    Path::new("/").join(clean(guest.trim_start_matches('/')))
}

/// A path as the beginning of a glob pattern that matches just it.
fn escaped(path: &Path) -> Result<String, AppError> {
    match path.to_str() {
        Some(path) => Ok(Pattern::escape(path)),
        None => Err(AppError::io(
            "read",
            path,
            std::io::Error::new(std::io::ErrorKind::InvalidFilename, "the path is not UTF-8"),
        )),
    }
}

fn everything_in(folder: &Path) -> Result<String, AppError> {
    Ok(format!("{}/**/*", escaped(folder)?))
}

#[cfg(test)]
mod tests;
