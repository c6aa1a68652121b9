//! [`Blobs`]: blobs on disk, by digest.
//!
//! They are kept between starts in a folder of the cache, beside the compiled components. Several processes may share it:
//! a blob appears whole, by a rename, and its name says what must be in it. It is hashed before it is used, and what has
//! been changed is thrown away. The folder may be deleted at any time while no host starts.
//!
//! Each use of a blob is noted as its time of modification, and one that nothing has used for [`LIFETIME`] is deleted by the
//! next host that has read its application. So that none is deleted between being found and being read, a process shares
//! a lock on a file for that time, and deletes only what it alone has locked.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempDir};

use super::RegistryError;
use spindrift_app::{Digest, Hasher};

/// The folder in the cache.
const FOLDER: &str = "registry";
/// Where blobs are, in it. The names are those of the OCI image layout.
const BLOBS: &str = "blobs/sha256";
/// Where they are written, in it, before they have their name.
const INCOMING: &str = "incoming";
/// The file that is locked, in it.
const LOCK: &str = "lock";
/// How long a blob is kept that nothing uses.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What has been there for so long was left by a process that was killed.
const INCOMING_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The same where the file has no lock. It gets one just after it is made.
const UNLOCKED_LIFETIME: Duration = Duration::from_secs(10);

/// A folder of blobs.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
    /// Deleted with this.
    _temporary: Option<TempDir>,
    /// Shared with all who read blobs. There is none where the file system has no locks, and then nothing is deleted.
    lock: Option<File>,
}

/// The blobs of an application that has been pulled or downloaded, until its components are compiled and its files are copied: when this
/// is dropped they may be deleted.
#[derive(Debug)]
pub struct InUse(Blobs);

impl Blobs {
    /// Opens the folder of blobs in `cache`. Without a cache it is a temporary one that is deleted with [`Blobs`], or with
    /// [`InUse`].
    ///
    /// A folder that cannot be written to is good for what is in it.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(crate) fn open(cache: Option<&Path>) -> Result<Self, RegistryError> {
        let Some(cache) = cache else {
            return Self::temporary().map_err(|error| RegistryError::NoFolder {
                temporary: std::env::temp_dir(),
                reason: error.to_string(),
            });
        };
        let root = cache.join(FOLDER);
        match prepare(&root) {
            Ok(()) => remove_abandoned(&root.join(INCOMING)),
            // The layer of an image, or a folder of another user: whatever has to be written says so.
            Err(_) if root.join(BLOBS).is_dir() => {}
            Err(reason) => return Err(RegistryError::Io { path: root, reason }),
        }
        Ok(Self {
            lock: lock(&root.join(LOCK)),
            root,
            _temporary: None,
        })
    }

    fn temporary() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("spindrift-").tempdir()?;
        prepare(folder.path())?;
        Ok(Self {
            root: folder.path().to_owned(),
            _temporary: Some(folder),
            lock: None,
        })
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, relative to the folder, if it is there.
    pub(crate) fn relative_path(digest: &Digest) -> String {
        format!("{BLOBS}/{}", digest.hex())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join(Self::relative_path(digest))
    }

    /// Whether the blob is there and is what its name says.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
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
        if hasher.finish() != *digest {
            return self.throw_away(digest);
        }
        note_use(&file);
        true
    }

    /// What is in the blob, if it is there, is what its name says, and has at most `limit` bytes.
    pub(crate) fn read(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let file = File::open(self.path(digest)).ok()?;
        let mut bytes = Vec::new();
        let read = (&file).take(limit + 1).read_to_end(&mut bytes);
        if read.is_ok() && bytes.len() as u64 <= limit && Digest::of(&bytes) == *digest {
            note_use(&file);
            return Some(bytes);
        }
        self.throw_away(digest);
        None
    }

    /// A blob in the making.
    pub(crate) fn writer(&self) -> Result<Writer, RegistryError> {
        let incoming = self.root.join(INCOMING);
        // What is named by its digest is no secret, and another user's host may share the folder.
        let mode = Permissions::from_mode(0o644);
        let file = tempfile::Builder::new()
            .permissions(mode)
            .tempfile_in(&incoming);
        let file = file.map_err(|reason| RegistryError::Io {
            path: incoming,
            reason,
        })?;
        // Until this process ends: see `remove_abandoned`.
        let _ = file.as_file().try_lock();
        Ok(Writer {
            file,
            hasher: Hasher::default(),
            folder: self.root.join(BLOBS),
        })
    }

    /// Keeps bytes. They must have this digest: the answer is the one that they have, if it is another.
    pub(crate) fn put(
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

impl From<Blobs> for InUse {
    fn from(blobs: Blobs) -> Self {
        Self(blobs)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Some(lock) = &self.0.lock else {
            return;
        };
        // Whoever else has it deletes what there is, or the next one does.
        if lock.unlock().is_ok() && lock.try_lock().is_ok() {
            remove_older(&self.0.root.join(BLOBS), LIFETIME);
        }
    }
}

/// A blob in the making. It is gone when this is dropped.
pub(crate) struct Writer {
    file: NamedTempFile,
    hasher: Hasher,
    folder: PathBuf,
}

impl Writer {
    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|reason| RegistryError::Io {
                path: self.file.path().to_owned(),
                reason,
            })
    }

    /// Gives the blob its name, if it has this digest. If it has another, that is the answer, and the blob is gone.
    pub(crate) fn keep(self, digest: &Digest) -> Result<Option<Digest>, RegistryError> {
        let actual = self.hasher.finish();
        if actual != *digest {
            return Ok(Some(actual));
        }
        let path = self.folder.join(digest.hex());
        match self.file.persist(&path) {
            Ok(_) => Ok(None),
            Err(error) => Err(RegistryError::Io {
                path,
                reason: error.error,
            }),
        }
    }

    /// As [`Writer::keep`], for a blob whose digest `is_wanted` decides on.
    pub(crate) fn keep_if(
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

/// Locks a file, together with all who do so here.
fn lock(path: &Path) -> Option<File> {
    let mut options = File::options();
    let file = options.create(true).append(true).open(path).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Notes that a blob is used now. Who does not own it cannot, and then it is fetched anew some day.
fn note_use(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// Deletes the files in a folder that are older than that. That it fails harms nothing.
fn remove_older(folder: &Path, lifetime: Duration) {
    remove_if(folder, |age, _| age > lifetime);
}

/// Deletes blobs in the making that no process makes any longer: each holds a lock on its file, as far as the file system has locks.
fn remove_abandoned(folder: &Path) {
    remove_if(folder, |age, path| {
        let is_unlocked = || File::open(path).is_ok_and(|file| file.try_lock().is_ok());
        age > INCOMING_LIFETIME || (age > UNLOCKED_LIFETIME && is_unlocked())
    });
}

/// Deletes the files in a folder that `is_over` says so of, by their age. That it fails harms nothing.
fn remove_if(folder: &Path, is_over: impl Fn(Duration, &Path) -> bool) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.map(|written| SystemTime::now().duration_since(written));
        if let Ok(Ok(age)) = age
            && is_over(age, &entry.path())
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
