//! [`Application`] and [`Component`], and [`load`], which makes them from a `spin.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{AppError, Build, Files, Router, Template, Variable, manifest};

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
    /// The manifest.
    pub manifest: PathBuf,
    /// The manifest's folder, absolute. Paths in the manifest start here.
    pub root: PathBuf,
    /// The components, in the manifest's order; inline ones after the others. [`super::Target::Component`] counts here.
    pub components: Vec<Component>,
    /// Which component answers which path.
    pub router: Router,
    /// The declared variables by name.
    pub variables: BTreeMap<String, Variable>,
    /// What is accepted but deserves a word when the application starts, such as a route that nothing can reach.
    pub warnings: Vec<String>,
}

/// One component.
#[derive(Debug, Clone)]
pub struct Component {
    /// The id, in kebab case, unique in the application.
    pub id: String,
    /// The description; empty when there is none.
    pub description: String,
    /// The WebAssembly file, absolute. It need not exist yet: a build may make it.
    pub source: PathBuf,
    pub(super) source_line: usize,
    /// The labels of the key-value stores it may open.
    pub key_value_stores: Vec<String>,
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
}

/// Loads the application whose manifest is `from`: a manifest, or a folder with a `spin.toml`.
///
/// # Errors
///
/// [`AppError::Manifest`] with the line for anything that is wrong or not supported, [`AppError::Io`] when the manifest
/// cannot be read, [`AppError::Components`] for an unknown id in `options`.
pub fn load(from: &Path, options: &LoadOptions) -> Result<Application, AppError> {
    let path = if from.is_dir() {
        from.join("spin.toml")
    } else {
        from.to_owned()
    };
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
    manifest::read(&path, &root, &text, options)
}

impl Application {
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
            Some(component) => Err(AppError::Manifest {
                path: self.manifest.clone(),
                line: component.source_line,
                message: format!(
                    "component `{}`: there is no file {}; {}",
                    component.id,
                    component.source.display(),
                    match &component.build {
                        Some(_) => "build it first, with `--build`",
                        None => "its `source` must name a WebAssembly file",
                    }
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_found_by_name_or_by_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = &folder.path().canonicalize().expect("the folder is there");
        let missing = load(root, &LoadOptions::default())
            .map(drop)
            .map_err(|error| error.to_string());
        assert_eq!(
            missing,
            Err(format!(
                "cannot read {}: No such file or directory (os error 2)",
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
            let application =
                load(&from, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(&application.root, root);
            assert_eq!(application.components[0].source, root.join("c.wasm"));
        }
    }
}
