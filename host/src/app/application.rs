//! [`Application`] and [`Component`], and [`load`], which makes them from a `spin.toml` or from what a registry has.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::registry::{self, InUse, PullOptions, Reference, RemoteFile};
use super::{AppError, Build, Files, Origin, Router, Template, Variable, manifest};

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
    pub(super) content: Option<Arc<InUse>>,
}

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
    /// The WebAssembly file, absolute. It need not exist yet: a build may make it. Empty for one that is to be downloaded,
    /// until [`super::registry::download()`] has done so.
    pub source: PathBuf,
    /// Where the file is downloaded from, if the manifest names no path.
    pub remote: Option<RemoteFile>,
    pub(super) source_line: usize,
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

/// What [`load`] can be told.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Keep only these components and their routes; empty keeps all. As in Spin, static responses are not kept then.
    pub components: Vec<String>,
    /// How registries are spoken to, for an application from one, and where what comes from there is kept.
    pub registry: PullOptions,
}

/// Where an application is to be loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A manifest, or a folder with a `spin.toml`.
    Path(PathBuf),
    /// An application in a registry.
    Registry(Reference),
}

/// Loads the application from `source`.
///
/// # Errors
///
/// For anything that is wrong or not supported, [`AppError::Manifest`] with the line or [`AppError::Locked`] with the name
/// of the component or trigger; [`AppError::Io`] when the manifest cannot be read, [`AppError::Registry`] when the registry
/// does not give the application, [`AppError::Components`] for an unknown id in `options`.
pub fn load(source: &Source, options: &LoadOptions) -> Result<Application, AppError> {
    match source {
        Source::Path(path) => load_manifest(path, options),
        Source::Registry(reference) => registry::pull(reference, options),
    }
}

fn load_manifest(from: &Path, options: &LoadOptions) -> Result<Application, AppError> {
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
    manifest::read(&Origin::Manifest(path), &root, &text, options)
}

impl Application {
    /// Whether there are files to be downloaded, or to be taken from the cache, by [`super::registry::download()`].
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

    /// Takes hold of what has the components' content, if it came from a registry or was downloaded. When this is dropped it
    /// may be deleted, from when on the components cannot be read any more.
    pub fn take_content(&mut self) -> Option<Arc<InUse>> {
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
        let missing = load(&Source::Path(root.clone()), &LoadOptions::default())
            .map(drop)
            .map_err(|error| error.to_string());
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
            let application = load(&Source::Path(from), &LoadOptions::default())
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(&application.root, root);
            assert_eq!(application.components[0].source, root.join("c.wasm"));
        }
    }
}
