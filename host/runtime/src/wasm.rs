//! [`Wasm`]: the WebAssembly of an application, each piece once, however many of its components have it.

use std::borrow::Cow;
use std::fs;

use sha2::{Digest as _, Sha256};
use spindrift_app::Application;

use super::{RuntimeError, release_candidate};

/// The bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 32;

/// What one or more components of an application consist of.
pub(crate) struct Wasm<'a> {
    /// The components, in the order of the application; never empty.
    components: Vec<&'a spindrift_app::Component>,
    /// Their places in the application.
    indexes: Vec<usize>,
    /// Where the application names the first one's file, as errors begin.
    place: String,
    bytes: Vec<u8>,
    digest: [u8; DIGEST_BYTES],
}

impl<'a> Wasm<'a> {
    /// Reads the WebAssembly of all components, in the order in which the application names it first.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub(crate) fn of(application: &'a Application) -> Result<Vec<Self>, RuntimeError> {
        let mut all: Vec<Self> = Vec::new();
        for (index, component) in application.components.iter().enumerate() {
            let bytes = fs::read(&component.source).map_err(|reason| {
                let error = RuntimeError::Source {
                    component: component.id.clone(),
                    path: component.source.clone(),
                    reason,
                };
                error.at(&application.place_of(component))
            })?;
            if !bytes.starts_with(spindrift_app::WASM_MAGIC) {
                let error = RuntimeError::NoWasm {
                    component: component.id.clone(),
                    path: component.source.clone(),
                };
                return Err(error.at(&application.place_of(component)));
            }
            let bytes = release_candidate::made_final(bytes);
            let digest = Sha256::digest(&bytes).into();
            match all.iter_mut().find(|wasm| wasm.digest == digest) {
                Some(wasm) => {
                    wasm.components.push(component);
                    wasm.indexes.push(index);
                }
                None => all.push(Self {
                    components: vec![component],
                    indexes: vec![index],
                    place: application.place_of(component),
                    bytes,
                    digest,
                }),
            }
        }
        Ok(all)
    }

    /// The component that stands for all of them in an error.
    pub(crate) fn component(&self) -> &spindrift_app::Component {
        self.components[0]
    }

    /// Which components of the application have it.
    pub(crate) fn indexes(&self) -> &[usize] {
        &self.indexes
    }

    /// The component: what is in the file, or what is made of the core module in it.
    ///
    /// # Errors
    ///
    /// None can be made of that module.
    pub(crate) fn componentized(&self) -> Result<Cow<'_, [u8]>, RuntimeError> {
        match spindrift_app::componentize(&self.bytes) {
            // A module names what it imports in a section of its own, which only the component shows.
            Ok(Cow::Owned(component)) => Ok(Cow::Owned(release_candidate::made_final(component))),
            Ok(same) => Ok(same),
            Err(reason) => {
                let component = self.component();
                Err(self.placed(RuntimeError::Module {
                    component: component.id.clone(),
                    path: component.source.clone(),
                    reason,
                }))
            }
        }
    }

    /// How many bytes are in the file.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The SHA-256 of what is in the file, made one of the final version of WASI 0.3 where it is of the release candidate.
    pub(crate) fn digest(&self) -> &[u8; DIGEST_BYTES] {
        &self.digest
    }

    /// Has an error begin with where the application names the file.
    pub(crate) fn placed(&self, error: RuntimeError) -> RuntimeError {
        error.at(&self.place)
    }

    /// What it is, as the subject of a sentence: `component 'a'`, or `the WebAssembly of the components 'a' and 'b'`.
    pub(crate) fn subject(&self) -> String {
        let ids = self.components.iter();
        let mut ids: Vec<_> = ids.map(|component| format!("'{}'", component.id)).collect();
        match (ids.pop(), ids.is_empty()) {
            (Some(only), true) => format!("component {only}"),
            (last, _) => format!(
                "the WebAssembly of the components {} and {}",
                ids.join(", "),
                last.unwrap_or_default()
            ),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use spindrift_app::load;
    use tempfile::TempDir;

    use super::*;

    /// An application of components with these ids and this content, and its folder.
    pub(crate) fn application(components: &[(&str, &str)]) -> (TempDir, Application) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut manifest = "spin_manifest_version = 2\napplication.name = \"x\"\n".to_owned();
        for (id, content) in components {
            let file = format!("{id}.wasm");
            let content = [spindrift_app::WASM_MAGIC, content.as_bytes()].concat();
            fs::write(folder.path().join(&file), content).expect("a file");
            manifest.push_str(&format!(
                "[[trigger.http]]\nroute = \"/{id}\"\ncomponent = \"{id}\"\n[component.{id}]\nsource = \"{file}\"\n"
            ));
        }
        fs::write(folder.path().join("spin.toml"), manifest).expect("a manifest");
        let application = load(folder.path(), &[]).expect("an application");
        (folder, application)
    }

    #[test]
    fn the_same_bytes_are_one_piece_whatever_their_files_are_called() {
        let components = [("a", "same"), ("b", "other"), ("c", "same"), ("d", "same")];
        let (_folder, application) = application(&components);
        let pieces = Wasm::of(&application).expect("files that can be read");
        let found: Vec<_> = pieces
            .iter()
            .map(|wasm| (wasm.indexes().to_vec(), wasm.subject()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    vec![0, 2, 3],
                    "the WebAssembly of the components 'a', 'c' and 'd'".to_owned()
                ),
                (vec![1], "component 'b'".to_owned()),
            ]
        );
    }
}
