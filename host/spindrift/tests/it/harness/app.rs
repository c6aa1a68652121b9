//! Applications made of test guests, each in a folder of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::host::Host;
use super::host_command::HostCommand;

/// The setting that grants a component the store `default`.
pub const STORE: &str = r#"key_value_stores = ["default"]"#;

/// A `spin.toml` in the making, with the files beside it. It is written when the host starts.
pub struct App {
    folder: TempDir,
    manifest: String,
}

impl App {
    /// An application without routes.
    pub fn new() -> Self {
        Self::with_head("[application]\nname = \"test\"\n")
    }

    /// As [`App::new`], with `head` for the table `[application]` and for what goes before the components.
    pub fn with_head(head: &str) -> Self {
        Self::with_manifest(&format!("spin_manifest_version = 2\n\n{head}"))
    }

    /// An application whose manifest is all the test's own. `$guests` in it stands for the folder of the guests.
    pub fn with_manifest(manifest: &str) -> Self {
        App {
            folder: tempfile::tempdir().expect("a temporary folder"),
            manifest: manifest.replace("$guests", &folder_of("wasm32-wasip2").to_string_lossy()),
        }
    }

    /// Adds the guest `name` as the component of that id, at `/name/...`. `settings` go into its table, such as
    /// [`STORE`].
    pub fn guest(self, name: &str, settings: &str) -> Self {
        let module = format!("guest_{}.wasm", name.replace('-', "_"));
        self.component(name, &format!("/{name}/..."), &module, settings)
    }

    /// As [`App::guest`], for a guest that is built as a core module.
    pub fn module(self, name: &str, settings: &str) -> Self {
        let source = built_module(&format!("guest_{}.wasm", name.replace('-', "_")));
        self.source(name, &format!("/{name}/..."), &source, settings)
    }

    /// Adds a component: its id, its route, the name of its built module, and what else its table has.
    pub fn component(self, id: &str, route: &str, module: &str, settings: &str) -> Self {
        self.source(id, route, &built(module), settings)
    }

    fn source(self, id: &str, route: &str, source: &Path, settings: &str) -> Self {
        self.text(&format!(
            "[[trigger.http]]\nroute = {route:?}\ncomponent = {id:?}\n\n[component.{id}]\nsource = {source:?}\n{settings}\n",
        ))
    }

    /// Adds text to the manifest.
    pub fn text(mut self, text: &str) -> Self {
        write!(self.manifest, "\n{text}\n").expect("text takes more text");
        self
    }

    /// Adds a file to the application's folder.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("a folder for the file");
        std::fs::write(path, content).expect("the application's file");
        self
    }

    /// The application's folder, to name files in it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// In which line of the manifest, from 1, `part` is first.
    ///
    /// # Panics
    ///
    /// If it is in none.
    pub fn manifest_line(&self, part: &str) -> usize {
        let index = self.manifest.lines().position(|line| line.contains(part));
        1 + index.unwrap_or_else(|| panic!("no {part:?} in {}", self.manifest))
    }

    /// Writes the manifest. The folder is the application's.
    pub fn write(&self) -> &Path {
        std::fs::write(self.path().join("spin.toml"), &self.manifest)
            .expect("the application's manifest");
        self.path()
    }

    /// The command that runs it, to be given more before it starts.
    pub fn command(self) -> HostCommand {
        let from = self.path().to_string_lossy().into_owned();
        self.command_with(&["-f", &from])
    }

    /// The command with these arguments, which name [`App::path`] where they want to.
    pub fn command_with(self, args: &[&str]) -> HostCommand {
        self.write();
        HostCommand::bare().args(args).keep(self.folder)
    }

    /// Starts a host on it.
    pub fn start(self, args: &[&str]) -> Host {
        self.command().args(args).start()
    }
}

/// The path of a built component.
///
/// # Panics
///
/// If it has not been built, saying how.
pub fn built(module: &str) -> PathBuf {
    built_for("wasm32-wasip2", module)
}

/// As [`built`], for a guest that is built as a core module.
fn built_module(module: &str) -> PathBuf {
    built_for("wasm32-wasip1", module)
}

fn built_for(target: &str, module: &str) -> PathBuf {
    let path = folder_of(target).join(module);
    assert!(
        path.exists(),
        "{} is missing: `scripts/test.sh guests` builds it (cargo build --release --target {target} -p {})",
        path.display(),
        module.trim_end_matches(".wasm").replace('_', "-"),
    );
    path
}

/// The folder where cargo leaves what it builds for a target.
fn folder_of(target: &str) -> PathBuf {
    // Cargo's folder for the files of tests lies in the target folder, wherever that is.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    folder
        .expect("the target folder")
        .join(target)
        .join("release")
}
