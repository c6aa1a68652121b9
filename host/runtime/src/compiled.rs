//! Components compiled ahead of time: `spindrift compile` writes them into a folder, and a start that is told of the folder
//! takes from it what was compiled of the very components that it has.
//!
//! The file of a component is named by the SHA-256 of its WebAssembly, and has after its first line that digest, the digest of
//! what follows, and what Wasmtime makes of it. Wasmtime itself writes down there, and checks, which version of it, for which
//! target, with which CPU features and settings that was. Code is compiled for what every CPU of the architecture has, so that an
//! image that one machine builds runs on another.
//!
//! What is in such a file runs with all rights of this process, and nothing tells from its bytes that Wasmtime has compiled them.
//! So the folder is one that the operator names, and in which nobody can write but root and the user that this process runs as.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};
use spindrift_app::Application;
use tempfile::Builder;
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiling::{Checked, check, not_compiled};
use super::progress::Progress;
use super::wasm::{DIGEST_BYTES, Wasm};
use super::{RuntimeError, engine};

/// The first line of each file.
const FIRST_LINE: &[u8] = b"a component that spindrift has compiled, 1\n";

/// The mode bits of those who must not be able to write: the group, and all others.
const OTHERS_WRITE: u32 = 0o022;

/// Why components could not be compiled ahead of time.
#[derive(Debug, Error)]
pub enum CompileError {
    /// A file is missing, or is no component.
    #[error(transparent)]
    Component(#[from] RuntimeError),
    /// A start would take nothing from this folder.
    #[error("{folder:?} cannot have compiled components: {reason}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file could not be written.
    #[error("{path:?} cannot be written: {reason}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
}

/// Compiles all components of an application into a folder, which is made if it is not there. Gives the file of each, in the
/// order of the manifest.
///
/// # Errors
///
/// A component is not built, its file is not WebAssembly, or no start would take it. Or the folder cannot be written to, or other
/// users can write to it.
pub fn compile_into(
    application: &Application,
    folder: &Path,
) -> Result<Vec<PathBuf>, CompileError> {
    let unfit = |reason: String| CompileError::Folder {
        folder: folder.to_owned(),
        reason,
    };
    // Whatever the umask is, the group cannot write to it.
    let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.map_err(|error| unfit(error.to_string()))?;
    let metadata = fs::metadata(folder).map_err(|error| unfit(error.to_string()))?;
    check_access(&metadata).map_err(unfit)?;
    let engine = engine::for_any_cpu()?;
    let all = Wasm::of(application)?;
    let all = check(&all)?;
    let count = application.components.len();
    let mut files = vec![PathBuf::new(); count];
    Progress::logged(count, &|_| {}, |progress| {
        for Checked { wasm, component } in &all {
            let compiled = progress.compiled(wasm, || engine.precompile_component(component));
            let compiled = compiled.map_err(|error| not_compiled(wasm, error))?;
            let path = file_for(folder, wasm);
            write(&path, wasm, &compiled).map_err(|reason| CompileError::Write {
                path: path.clone(),
                reason,
            })?;
            for index in wasm.indexes() {
                files[*index].clone_from(&path);
            }
        }
        Ok(files)
    })
}

/// Writes a file whole or not at all: a start may look for it at any time.
fn write(path: &Path, wasm: &Wasm<'_>, compiled: &[u8]) -> io::Result<()> {
    let mut file = Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    for part in [
        FIRST_LINE,
        wasm.digest(),
        &Sha256::digest(compiled),
        compiled,
    ] {
        file.write_all(part)?;
    }
    file.persist(path)?;
    Ok(())
}

fn file_for(folder: &Path, wasm: &Wasm<'_>) -> PathBuf {
    let digest = wasm.digest().iter();
    let name: String = digest.map(|byte| format!("{byte:02x}")).collect();
    folder.join(name).with_extension("compiled")
}

/// Refuses what somebody else could have written to.
fn check_access(metadata: &Metadata) -> Result<(), String> {
    let (owner, mode) = (metadata.uid(), metadata.mode());
    if owner != 0 && owner != Uid::effective().as_raw() {
        return Err(format!(
            "it is of the user {owner}, and has to be root's, or of the user that this process runs as: what is in it runs \
             with all rights of this process"
        ));
    }
    if mode & OTHERS_WRITE != 0 {
        return Err(format!(
            "others than its owner can write to it (mode {:o}), and what is in it runs with all rights of this process: chmod \
             go-w takes that away",
            mode & 0o7777
        ));
    }
    Ok(())
}

/// The folder that a start is told of.
#[derive(Clone, Debug)]
pub(crate) struct CompiledComponents {
    folder: PathBuf,
}

/// Why a component cannot be taken from the folder.
#[derive(Debug, Error)]
pub(crate) struct Unusable {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// Nothing was compiled of this component.
    Missing,
    /// What there is may not, or cannot, be used here.
    Unfit(String),
}

impl Unusable {
    /// Whether it was not compiled ahead of time at all, which is nothing out of the ordinary.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.reason, Reason::Missing)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Missing => write!(f, "{:?} is not there", self.path),
            Reason::Unfit(reason) => write!(f, "{:?} cannot be used: {reason}", self.path),
        }
    }
}

impl Reason {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Unfit(error.to_string()),
        }
    }
}

impl CompiledComponents {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What was compiled of this WebAssembly.
    ///
    /// # Errors
    ///
    /// Says why there is nothing, or nothing that may and can be used here.
    pub(crate) fn load(&self, engine: &Engine, wasm: &Wasm<'_>) -> Result<Component, Unusable> {
        let unusable = |path: &Path, reason| {
            let path = path.to_owned();
            Unusable { path, reason }
        };
        let metadata = fs::metadata(&self.folder).map_err(|error| Reason::of(&error));
        metadata
            .and_then(|metadata| check_access(&metadata).map_err(Reason::Unfit))
            .map_err(|reason| unusable(&self.folder, reason))?;
        let path = file_for(&self.folder, wasm);
        let file = read(&path, wasm.digest());
        file.and_then(|file| deserialize(engine, &file).map_err(Reason::Unfit))
            .map_err(|reason| unusable(&path, reason))
    }
}

/// A file's bytes, if nobody else could have written them, and they are whole and made of what has this digest.
fn read(path: &Path, wasm: &[u8; DIGEST_BYTES]) -> Result<CheckedFile, Reason> {
    let unfit = |reason: &str| Err(Reason::Unfit(reason.to_owned()));
    let mut file = File::open(path).map_err(|error| Reason::of(&error))?;
    // Of the file that is open, whatever is put in its place by now.
    let metadata = file.metadata().map_err(|error| Reason::of(&error))?;
    check_access(&metadata).map_err(Reason::Unfit)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)
        .map_err(|error| Reason::of(&error))?;
    let parts = content
        .strip_prefix(FIRST_LINE)
        .and_then(|rest| rest.split_at_checked(DIGEST_BYTES))
        .and_then(|(source, rest)| Some((source, rest.split_at_checked(DIGEST_BYTES)?)));
    let Some((source, (digest, compiled))) = parts else {
        return unfit("it is none that this version of spindrift compile has written");
    };
    if source != wasm {
        return unfit("it was compiled of another component");
    }
    if digest != Sha256::digest(compiled).as_slice() {
        return unfit("it is damaged");
    }
    let begin = content.len() - compiled.len();
    Ok(CheckedFile { content, begin })
}

/// A file that is whole, and that nobody but root and this process's user can have written.
struct CheckedFile {
    content: Vec<u8>,
    /// Where that begins which Wasmtime has made.
    begin: usize,
}

/// Has Wasmtime load what it has compiled. It refuses what another version, another target or other settings were used for, and
/// CPU features that this machine lacks.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, file: &CheckedFile) -> Result<Component, String> {
    let compiled = &file.content[file.begin..];
    // SAFETY: `Component::deserialize` asks for bytes that Wasmtime has made, since it runs the machine code in them. They are
    // as `compile_into` has written them, by the digest, and come from a file and a folder in which nobody can write who could
    // not replace this program, too: root, and the user that it runs as.
    unsafe { Component::deserialize(engine, compiled) }.map_err(|error| format!("{error:#}"))
}
