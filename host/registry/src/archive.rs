//! Archives of files, `tar` compressed with `gzip`: how Spin pushes files when there are too many for a layer each.
//!
//! An archive is only a bag of contents: the locked application says by digest which of them a component sees, and where.
//! So unpacking writes to no path that an archive names; one that names a suspicious path is refused all the same.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use super::blobs::Blobs;
use super::{RegistryError, limits};
use spindrift_app::Digest;

/// Why an archive could not be unpacked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The archive, as the end of a sentence whose subject it is.
    Archive(String),
    /// The folder of blobs.
    Blobs(RegistryError),
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        Self::Blobs(error)
    }
}

/// What all archives of an application may still unpack to.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: u64,
    entries: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            bytes: limits::APPLICATION,
            entries: limits::FILES,
        }
    }
}

/// Keeps those files of a compressed archive whose digest is `wanted`.
///
/// # Errors
///
/// It is malformed, has anything but files and folders in it, names a path that leads elsewhere, or takes more than the
/// allowance.
pub(crate) fn unpack(
    compressed: impl Read,
    wanted: &BTreeSet<Digest>,
    allowance: &mut Allowance,
    blobs: &Blobs,
) -> Result<(), Fault> {
    let reader = Bounded {
        inner: GzDecoder::new(compressed),
        left: &mut allowance.bytes,
    };
    let malformed = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => Fault::Archive(format!(
            "unpacks to more than the {} bytes that are taken",
            limits::APPLICATION
        )),
        _ => Fault::Archive(format!("is malformed: {error}")),
    };
    let mut archive = Archive::new(reader);
    for entry in archive.entries().map_err(malformed)? {
        let mut entry = entry.map_err(malformed)?;
        allowance.entries = allowance.entries.checked_sub(1).ok_or_else(|| {
            Fault::Archive(format!(
                "has more than the {} entries that are taken",
                limits::FILES
            ))
        })?;
        let path = entry.path().map_err(malformed)?.into_owned();
        if !stays_inside(&path) {
            return Err(Fault::Archive(format!(
                "names the path {}, which leads out of it",
                path.display()
            )));
        }
        match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => {}
            EntryType::Regular | EntryType::Continuous => {
                let mut writer = blobs.writer()?;
                let mut buffer = [0; 16 << 10];
                loop {
                    match entry.read(&mut buffer).map_err(malformed)? {
                        0 => break,
                        read => writer.write(&buffer[..read])?,
                    }
                }
                writer.keep_if(|digest| wanted.contains(digest))?;
            }
            _ => {
                return Err(Fault::Archive(format!(
                    "has {} in it, which is neither a file nor a folder",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// A compressed archive of these files, each with its path. The same files make the same archive.
pub(crate) fn pack(files: &[(String, Bytes)]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content.as_ref())?;
    }
    builder.into_inner()?.finish()
}

fn stays_inside(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Reads until too much has been read: what is compressed says nothing true about its size.
struct Bounded<'a, R> {
    inner: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => *self.left = left,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with one entry of any kind, whose path is written as it is.
    fn crafted(path: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_old();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        builder.append(&header, content).expect("an archive");
        builder
            .into_inner()
            .and_then(GzEncoder::finish)
            .expect("an archive")
    }

    fn unpacked(
        archive: &[u8],
        wanted: &[&[u8]],
        mut allowance: Allowance,
    ) -> Result<usize, String> {
        let blobs = Blobs::open(None).expect("a temporary folder");
        let wanted: BTreeSet<_> = wanted.iter().map(|content| Digest::of(content)).collect();
        match unpack(archive, &wanted, &mut allowance, &blobs) {
            Ok(()) => Ok(wanted.iter().filter(|digest| blobs.has(digest)).count()),
            Err(Fault::Archive(fault)) => Err(fault),
            Err(Fault::Blobs(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_and_only_what_is_wanted() {
        let long = format!("{}/{}", "folder/".repeat(40), "name".repeat(30));
        let files = [
            ("a.txt".to_owned(), Bytes::from_static(b"a")),
            ("b/c.txt".to_owned(), Bytes::from_static(b"c")),
            (long, Bytes::from_static(b"long")),
        ];
        let archive = pack(&files).expect("an archive");
        assert_eq!(archive, pack(&files).expect("an archive"));
        let wanted: [&[u8]; 3] = [b"a", b"long", b"not there"];
        assert_eq!(unpacked(&archive, &wanted, Allowance::default()), Ok(2));
    }

    #[test]
    fn an_archive_that_a_tar_program_makes_of_a_folder_is_unpacked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("sub")).expect("a folder");
        std::fs::write(folder.path().join("sub/a"), "a").expect("a file");
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        builder
            .append_dir_all(".", folder.path())
            .expect("an archive");
        let archive = builder
            .into_inner()
            .and_then(GzEncoder::finish)
            .expect("an archive");
        assert_eq!(unpacked(&archive, &[b"a"], Allowance::default()), Ok(1));
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (path, kind, part) in [
            ("../a", EntryType::Regular, "leads out of it"),
            ("a/../../b", EntryType::Regular, "leads out of it"),
            ("/etc/passwd", EntryType::Regular, "leads out of it"),
            ("a", EntryType::Symlink, "neither a file nor a folder"),
            ("a", EntryType::Link, "neither a file nor a folder"),
            ("a", EntryType::Char, "neither a file nor a folder"),
            ("a", EntryType::Fifo, "neither a file nor a folder"),
        ] {
            let archive = crafted(path, kind, b"");
            let error = unpacked(&archive, &[], Allowance::default()).unwrap_err();
            assert!(error.contains(part) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn an_archive_is_bounded_by_what_it_unpacks_to() {
        let bomb = crafted("a", EntryType::Regular, &vec![0; 1 << 20]);
        assert!(bomb.len() < 16 << 10);
        let allowance = |bytes, entries| Allowance { bytes, entries };
        for (allowance, part) in [
            (allowance(1 << 20, 9), "unpacks to more than"),
            (allowance(1 << 22, 0), "entries that are taken"),
        ] {
            let error = unpacked(&bomb, &[], allowance).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(unpacked(&bomb, &[], allowance(1 << 22, 1)), Ok(0));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let archive = crafted("a", EntryType::Regular, &[7; 1000]);
        for bytes in [&b"hello"[..], &archive[..archive.len() / 2]] {
            let error = unpacked(bytes, &[], Allowance::default()).unwrap_err();
            assert!(error.contains("is malformed"), "{error}");
        }
    }
}
