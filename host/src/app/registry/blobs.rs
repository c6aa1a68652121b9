//! [`Blobs`]: blobs on disk, by digest.
//!
//! They are kept between starts in a folder of the cache, beside the compiled components. Several processes may share it:
//! a blob appears whole, by a rename, and its name says what must be in it. It is hashed before it is used, and what has
//! been changed is thrown away. The folder may be deleted at any time while no host starts.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempDir};

use super::RegistryError;
use super::digest::{Digest, Hasher};

/// The folder in the cache.
const FOLDER: &str = "registry";
/// Where blobs are, in it. The names are those of the OCI image layout.
const BLOBS: &str = "blobs/sha256";
/// Where they are written, in it, before they have their name.
const INCOMING: &str = "incoming";
/// What has been there for so long was left by a process that was killed.
const INCOMING_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of blobs.
#[derive(Debug)]
pub(super) struct Blobs {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl Blobs {
    /// Opens the folder of blobs in `cache`. Without a cache it is a temporary one that is deleted with [`Blobs`], or with
    /// what [`Blobs::into_temporary`] gives.
    ///
    /// # Errors
    ///
    /// It cannot be written to.
    pub(super) fn open(cache: Option<&Path>) -> Result<Self, RegistryError> {
        let Some(cache) = cache else {
            return Self::temporary().map_err(|error| RegistryError::NoFolder {
                temporary: std::env::temp_dir(),
                reason: error.to_string(),
            });
        };
        let root = cache.join(FOLDER);
        match prepare(&root) {
            Ok(()) => {
                remove_abandoned(&root.join(INCOMING));
                Ok(Self {
                    root,
                    temporary: None,
                })
            }
            Err(source) => Err(RegistryError::Io { path: root, source }),
        }
    }

    fn temporary() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spindrift-").tempdir()?;
        prepare(folder.path())?;
        Ok(Self {
            root: folder.path().to_owned(),
            temporary: Some(folder),
        })
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The temporary folder, if it is one: it is deleted when this is dropped.
    pub(super) fn into_temporary(self) -> Option<TempDir> {
        self.temporary
    }

    /// Where a blob is, relative to the folder, if it is there.
    pub(super) fn relative_path(digest: &Digest) -> String {
        format!("{BLOBS}/{}", digest.hex())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join(Self::relative_path(digest))
    }

    /// Whether the blob is there and is what its name says.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        let Ok(mut file) = File::open(self.path(digest)) else {
            return false;
        };
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => hasher.update(&buffer[..read]),
                Err(_) => return self.throw_away(digest),
            }
        }
        hasher.finish() == *digest || self.throw_away(digest)
    }

    /// What is in the blob, if it is there, is what its name says, and has at most `limit` bytes.
    pub(super) fn read(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let file = File::open(self.path(digest)).ok()?;
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        if read.is_ok() && bytes.len() as u64 <= limit && Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        self.throw_away(digest);
        None
    }

    /// A blob in the making.
    pub(super) fn writer(&self) -> Result<Writer, RegistryError> {
        let incoming = self.root.join(INCOMING);
        let file = NamedTempFile::new_in(&incoming).map_err(|source| RegistryError::Io {
            path: incoming,
            source,
        })?;
        Ok(Writer {
            file,
            hasher: Hasher::default(),
            folder: self.root.join(BLOBS),
        })
    }

    /// Keeps bytes. They must have this digest: the answer is the one that they have, if it is another.
    pub(super) fn put(
        &self,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<Option<Digest>, RegistryError> {
        let mut writer = self.writer()?;
        writer.write(bytes)?;
        writer.keep(digest)
    }

    fn throw_away(&self, digest: &Digest) -> bool {
        let path = self.path(digest);
        tracing::warn!(
            "{} has been changed, so it is thrown away and fetched anew",
            path.display()
        );
        // What is there stays in the way of nothing: it is replaced, or never used.
        let _ = std::fs::remove_file(path);
        false
    }
}

/// A blob in the making. It is gone when this is dropped.
pub(super) struct Writer {
    file: NamedTempFile,
    hasher: Hasher,
    folder: PathBuf,
}

impl Writer {
    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|source| RegistryError::Io {
                path: self.file.path().to_owned(),
                source,
            })
    }

    /// Gives the blob its name, if it has this digest. If it has another, that is the answer, and the blob is gone.
    pub(super) fn keep(self, digest: &Digest) -> Result<Option<Digest>, RegistryError> {
        let actual = self.hasher.finish();
        if actual != *digest {
            return Ok(Some(actual));
        }
        let path = self.folder.join(digest.hex());
        match self.file.persist(&path) {
            Ok(_) => Ok(None),
            Err(error) => Err(RegistryError::Io {
                path,
                source: error.error,
            }),
        }
    }

    /// As [`Writer::keep`], for a blob whose digest `is_wanted` decides on.
    pub(super) fn keep_if(
        self,
        is_wanted: impl FnOnce(&Digest) -> bool,
    ) -> Result<(), RegistryError> {
        let digest = self.hasher.clone().finish();
        if is_wanted(&digest) {
            self.keep(&digest)?;
        }
        Ok(())
    }
}

/// Makes the folders, and sees whether they can be written to.
fn prepare(root: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(root.join(BLOBS))?;
    std::fs::create_dir_all(root.join(INCOMING))?;
    tempfile::tempfile_in(root.join(BLOBS))?;
    tempfile::tempfile_in(root.join(INCOMING)).map(drop)
}

/// Deletes what killed processes have left. That it fails harms nothing.
fn remove_abandoned(incoming: &Path) {
    let Ok(entries) = std::fs::read_dir(incoming) else {
        return;
    };
    for entry in entries.flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.map(|written| SystemTime::now().duration_since(written));
        if matches!(age, Ok(Ok(age)) if age > INCOMING_LIFETIME) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(cache: &Path) -> Blobs {
        Blobs::open(Some(cache)).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_put_is_there_for_the_next_process() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let digest = Digest::of(b"abc");
        assert!(!blobs(cache.path()).has(&digest));
        assert_eq!(blobs(cache.path()).put(&digest, b"abc").ok(), Some(None));
        let next = blobs(cache.path());
        assert!(next.has(&digest));
        assert_eq!(next.read(&digest, 3).as_deref(), Some(&b"abc"[..]));
        let file = next.root().join(Blobs::relative_path(&digest));
        assert_eq!(std::fs::read(file).ok().as_deref(), Some(&b"abc"[..]));
        assert!(next.into_temporary().is_none());
    }

    #[test]
    fn what_has_another_digest_is_not_kept() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let blobs = blobs(cache.path());
        let digest = Digest::of(b"abc");
        assert_eq!(
            blobs.put(&digest, b"abd").ok(),
            Some(Some(Digest::of(b"abd")))
        );
        assert!(!blobs.has(&digest));
        let left = std::fs::read_dir(blobs.root().join(INCOMING)).expect("the folder is there");
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn what_has_been_changed_is_thrown_away() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let blobs = blobs(cache.path());
        let digest = Digest::of(b"abc");
        for has in [
            Blobs::has as fn(&Blobs, &Digest) -> bool,
            |blobs, digest| blobs.read(digest, 100).is_some(),
            // Longer than may be read.
            |blobs, digest| blobs.read(digest, 2).is_some(),
        ] {
            blobs.put(&digest, b"abc").expect("it is written");
            let path = blobs.path(&digest);
            std::fs::write(&path, "abcd").expect("it is changed");
            assert!(!has(&blobs, &digest));
            assert!(!path.exists());
        }
    }

    #[test]
    fn without_a_cache_the_folder_is_a_temporary_one() {
        let blobs = Blobs::open(None).unwrap_or_else(|error| panic!("{error}"));
        let digest = Digest::of(b"abc");
        assert_eq!(blobs.put(&digest, b"abc").ok(), Some(None));
        assert!(blobs.has(&digest));
        let root = blobs.root().to_owned();
        let temporary = blobs.into_temporary();
        assert!(temporary.is_some() && root.exists());
        drop(temporary);
        assert!(!root.exists());
    }

    #[test]
    fn a_cache_that_cannot_be_written_to_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let error = Blobs::open(Some(file.path())).map(drop).unwrap_err();
        let root = file.path().join(FOLDER);
        assert!(
            error.to_string().contains(&*root.to_string_lossy()),
            "{error}"
        );
    }

    #[test]
    fn what_a_killed_process_left_is_deleted_after_a_day() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let incoming = blobs(cache.path()).root().join(INCOMING);
        for (name, age) in [("old", 25), ("new", 1)] {
            let file = File::create(incoming.join(name)).expect("a file");
            let written = SystemTime::now() - Duration::from_secs(age * 60 * 60);
            file.set_modified(written).expect("the time of a file");
        }
        blobs(cache.path());
        assert!(!incoming.join("old").exists() && incoming.join("new").exists());
    }
}
