//! [`Application`] and its parts, and [`load`], which makes them from a `spin.toml`.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AppError, Files, Origin, RemoteFile, Router, Template, manifest};

/// A loaded application. Everything in it has been checked against the manifest's rules.
#[derive(Debug, Clone)]
pub struct Application {
    /// The application's name, never empty.
    pub name: String,
    /// The version as the manifest has it; empty when it has none.
    pub version: String,
    /// The description; empty when there is none.
    pub description: String,
    /// The authors.
    pub authors: Vec<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The folder where its relative paths start, absolute: the manifest's, or one that holds what came from a registry.
    pub root: PathBuf,
    /// The triggers, in the manifest's order, private ones too. What answers requests is in `router`.
    pub triggers: Vec<Trigger>,
    /// The components, in the manifest's order; inline ones after the others. [`super::Target::Component`] counts here.
    pub components: Vec<Component>,
    /// Which component answers which path.
    pub router: Router,
    /// The declared variables by name.
    pub variables: BTreeMap<String, Variable>,
    /// What is accepted but deserves a word when the application starts, such as a route that nothing can reach.
    pub warnings: Vec<String>,
    pub(crate) content: Option<Content>,
}

/// What keeps files of the components on the disk: when it is dropped they may be deleted.
pub type Content = Arc<dyn Any + Send + Sync>;

/// An HTTP trigger as the manifest has it, for whoever hands the application on.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The id: the manifest's own, or the one that Spin would give it.
    pub id: String,
    /// The id of its component; none for a static response.
    pub component: Option<String>,
    /// All other settings, such as `route`.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// One component.
#[derive(Debug, Clone)]
pub struct Component {
    /// The id, in kebab case, unique in the application.
    pub id: String,
    /// The description; empty when there is none.
    pub description: String,
    /// The WebAssembly file, absolute. It need not exist yet: a build may make it. Empty for a file that is to be downloaded,
    /// until the download sets it.
    pub source: PathBuf,
    /// Where the file is downloaded from, if the manifest names no path.
    pub remote: Option<RemoteFile>,
    /// The line of the manifest that names the file.
    pub source_line: usize,
    /// The labels of the key-value stores it may open.
    pub key_value_stores: Vec<String>,
    /// The labels of the SQLite databases that it may open under Spin. Here a call fails.
    pub sqlite_databases: Vec<String>,
    /// The AI models that it may ask under Spin. Here a call fails.
    pub ai_models: Vec<String>,
    /// The hosts it may call, before variables are put in. [`super::ResolvedVariables::allowed_hosts`] has them after.
    pub allowed_outbound_hosts: Vec<Template>,
    /// Its variables.
    pub variables: BTreeMap<String, Template>,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// The files it may read.
    pub files: Files,
    /// How it is built, if the manifest says.
    pub build: Option<Build>,
}

/// How a component is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Shell commands, run one after the other.
    pub commands: Vec<String>,
    /// Where they run, absolute.
    pub workdir: PathBuf,
}

/// A declared variable. It is required or has a default.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The description, if any.
    pub description: Option<String>,
    /// The value when none is given; `None` means that one must be given.
    pub default: Option<String>,
    /// Whether its value must not be shown.
    pub secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("description", &self.description)
            .field("required", &self.default.is_none())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// Loads the application of the manifest `from`, or of the `spin.toml` in the folder `from`. Keeps only these `components`
/// and their routes, or all if `components` is empty. Like Spin, it drops static responses when it is given components.
///
/// # Errors
///
/// [`AppError::Manifest`] with the line of anything that is wrong or not supported, [`AppError::NoManifest`] and
/// [`AppError::Io`] when the manifest cannot be read, [`AppError::Components`] for an unknown id in `components`.
pub fn load(from: &Path, components: &[String]) -> Result<Application, AppError> {
    let path = if from.is_dir() {
        from.join("spin.toml")
    } else {
        from.to_owned()
    };
    if path
        .symlink_metadata()
        .is_err_and(|error| error.kind() == ErrorKind::NotFound)
    {
        return Err(AppError::NoManifest { path });
    }
    let text =
        std::fs::read_to_string(&path).map_err(|error| AppError::io("read", &path, error))?;
    // The folder that the manifest's name is in, also when the manifest is a link to another folder.
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let root = folder
        .canonicalize()
        .map_err(|error| AppError::io("find", folder, error))?;
    manifest::read(&Origin::Manifest(path), &root, &text, components)
}

impl Application {
    /// Whether there are files to be downloaded, or to be taken from the cache, by the registry's download.
    pub fn has_downloads(&self) -> bool {
        self.components.iter().any(|one| one.remote.is_some())
    }

    /// Checks that every component's WebAssembly file is there; to be called after a build, if there is one.
    ///
    /// # Errors
    ///
    /// [`AppError::Manifest`] with the line of the first `source` that names no file.
    pub fn check_sources(&self) -> Result<(), AppError> {
        match self
            .components
            .iter()
            .find(|component| !component.source.is_file())
        {
            None => Ok(()),
            Some(component) => Err(self.origin.error(
                component.source_line,
                format!(
                    "component `{}`: there is no file {}; {}",
                    component.id,
                    component.source.display(),
                    match &component.build {
                        Some(_) => "build it first, with `--build`",
                        None => "its `source` must name a WebAssembly file",
                    }
                ),
            )),
        }
    }

    /// Where the application names the WebAssembly of this component of its own, as errors begin: `spin.toml:8`, or the
    /// reference to a registry.
    pub fn place_of(&self, component: &Component) -> String {
        self.origin.place(component.source_line)
    }

    /// Has the application keep `content` for as long as nobody takes it.
    pub fn set_content(&mut self, content: Content) {
        self.content = Some(content);
    }

    /// Takes the content out, if the components came from a registry or were downloaded. The components cannot be read once
    /// it is dropped.
    pub fn take_content(&mut self) -> Option<Content> {
        self.content.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_found_by_name_or_by_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = &folder.path().canonicalize().expect("the folder is there");
        let missing = load(root, &[]).map(drop).map_err(|error| error.to_string());
        assert_eq!(
            missing,
            Err(format!(
                "there is no {}; name a manifest, a folder with a `spin.toml`, or a reference to a registry with `-f`",
                root.join("spin.toml").display()
            ))
        );
        let text = "spin_manifest_version = 2\napplication.name = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = { source = \"c.wasm\" }\n";
        for name in ["spin.toml", "other.toml"] {
            std::fs::write(root.join(name), text).expect("the manifest is written");
        }
        std::fs::create_dir(root.join("sub")).expect("the folder is made");
        for from in [
            root.to_owned(),
            root.join("sub/.."),
            root.join("spin.toml"),
            root.join("other.toml"),
        ] {
            let application = load(&from, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(&application.root, root);
            assert_eq!(application.components[0].source, root.join("c.wasm"));
        }
    }
}
