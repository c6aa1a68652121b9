//! [`Artifact`]: an image manifest that is one of an application, and what it lists.

use std::collections::BTreeMap;

use oci_client::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde::Deserialize;

use super::{Reference, RegistryError, limits, media_type};
use spindrift_app::Digest;

/// A blob that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// Its digest.
    pub(crate) digest: Digest,
    /// Its size in bytes, at most the limit for what it is.
    pub(crate) size: u64,
}

/// What a manifest says about an application.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// The locked application.
    pub(crate) application: Blob,
    /// The layers that have one content each: WebAssembly and files.
    pub(crate) contents: BTreeMap<Digest, Blob>,
    /// The layers that are archives of files.
    pub(crate) archives: Vec<Blob>,
}

/// The image manifest of the OCI image specification, and Docker's, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Artifact {
    /// Reads the manifest that `reference` names.
    ///
    /// # Errors
    ///
    /// It is malformed, is not of an application (the error says of what), or lists something too large.
    pub(crate) fn read(reference: &Reference, bytes: &[u8]) -> Result<Self, RegistryError> {
        let other = |what: String| RegistryError::NoApplication {
            reference: reference.to_string(),
            what,
        };
        let manifest: Manifest = serde_json::from_slice(bytes)
            .map_err(|error| other(format!("its manifest is malformed: {error}")))?;
        if manifest.manifests.is_some() {
            return Err(other(
                "it lists several images, one for each platform, as container images do".to_owned(),
            ));
        }
        let (Some(config), Some(layers)) = (manifest.config, manifest.layers) else {
            return Err(other(
                "its manifest has no `config` and `layers`".to_owned(),
            ));
        };
        let is_known = |media_type: &str| {
            [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE].contains(&media_type)
        };
        if manifest.schema_version != 2 || !manifest.media_type.as_deref().is_none_or(is_known) {
            return Err(other(format!(
                "its manifest has version {} and media type {:?}, which are not those of an image manifest",
                manifest.schema_version,
                manifest.media_type.unwrap_or_default()
            )));
        }
        let application = layers
            .iter()
            .find(|layer| layer.media_type == media_type::APPLICATION)
            .or_else(|| {
                Some(&config).filter(|config| config.media_type == media_type::APPLICATION)
            });
        let Some(application) = application else {
            return Err(other(describe(&config, &layers, manifest.artifact_type)));
        };
        let application = application.blob(
            reference,
            "the locked application",
            limits::LOCKED_APPLICATION,
        )?;
        let mut artifact = Self {
            application,
            contents: BTreeMap::new(),
            archives: Vec::new(),
        };
        for layer in &layers {
            match layer.media_type.as_str() {
                media_type::APPLICATION => {}
                media_type::ARCHIVE => {
                    let blob = layer.blob(reference, "an archive of files", limits::LAYER)?;
                    artifact.archives.push(blob);
                }
                // As in Spin, all others are what they are used as.
                _ => {
                    let blob = layer.blob(reference, "a layer", limits::LAYER)?;
                    artifact.contents.insert(blob.digest.clone(), blob);
                }
            }
        }
        Ok(artifact)
    }
}

impl Descriptor {
    fn blob(&self, reference: &Reference, what: &str, limit: u64) -> Result<Blob, RegistryError> {
        let Some(digest) = Digest::parse(&self.digest) else {
            return Err(RegistryError::NoApplication {
                reference: reference.to_string(),
                what: format!(
                    "its manifest lists {what} with the digest {:?}, which is not `sha256:` and 64 hexadecimal digits",
                    self.digest
                ),
            });
        };
        if self.size > limit {
            return Err(RegistryError::TooLarge {
                reference: reference.to_string(),
                what: format!("{what} ({digest})"),
                size: format!("it has {} bytes", self.size),
                limit: format!("{limit} bytes"),
            });
        }
        Ok(Blob {
            digest,
            size: self.size,
        })
    }
}

/// What this is, if it is no application.
fn describe(config: &Descriptor, layers: &[Descriptor], artifact_type: Option<String>) -> String {
    let is_wasm = |layer: &Descriptor| {
        [media_type::WASM, media_type::WASM_PACKAGE].contains(&layer.media_type.as_str())
    };
    if layers
        .iter()
        .any(|layer| media_type::is_container_layer(&layer.media_type))
    {
        "it is an ordinary container image. Name what `spin registry push` or `spindrift push` has pushed".to_owned()
    } else if layers.len() == 1 && layers.iter().all(is_wasm) {
        "it is a WebAssembly component alone, without routes. Name it as the `source` of a component in a spin.toml, and \
         push that"
            .to_owned()
    } else {
        format!(
            "it has no layer of the media type {}; its own type is {:?}",
            media_type::APPLICATION,
            artifact_type.as_ref().unwrap_or(&config.media_type)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reference() -> Reference {
        Reference::parse("r.test/a:1").expect("a reference")
    }

    fn read(manifest: &Value) -> Result<Artifact, String> {
        let bytes = serde_json::to_vec(manifest).expect("JSON");
        Artifact::read(&reference(), &bytes).map_err(|error| error.to_string())
    }

    fn digest(of: &str) -> String {
        Digest::of(of.as_bytes()).to_string()
    }

    fn layer(media_type: &str, of: &str) -> Value {
        json!({"mediaType": media_type, "digest": digest(of), "size": of.len()})
    }

    fn manifest(config: &str, layers: &[Value]) -> Value {
        json!({
            "schemaVersion": 2,
            "config": layer(config, "config"),
            "layers": layers,
        })
    }

    const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

    #[test]
    fn an_application_is_a_layer_or_the_configuration() {
        let layers = [
            layer(media_type::WASM, "wasm"),
            layer(media_type::DATA, "data"),
            layer(media_type::ARCHIVE, "archive"),
            layer(media_type::APPLICATION, "app"),
        ];
        let artifact = read(&manifest(IMAGE_CONFIG, &layers)).expect("an application");
        assert_eq!(artifact.application.digest.to_string(), digest("app"));
        assert_eq!(artifact.contents.len(), 2);
        assert_eq!(artifact.archives.len(), 1);
        assert_eq!(artifact.archives[0].size, 7);

        let old = read(&manifest(media_type::APPLICATION, &layers[..1])).expect("an application");
        assert_eq!(old.application.digest.to_string(), digest("config"));
    }

    #[test]
    fn what_is_no_application_is_described() {
        let with = |key: &str, value: Value| {
            let mut manifest = manifest(IMAGE_CONFIG, &[layer(media_type::APPLICATION, "app")]);
            manifest[key] = value;
            manifest
        };
        let big =
            json!({"mediaType": media_type::APPLICATION, "digest": digest("a"), "size": 17 << 20});
        let bad =
            json!({"mediaType": media_type::APPLICATION, "digest": "sha256:../..", "size": 1});
        for (manifest, part) in [
            (
                manifest(
                    IMAGE_CONFIG,
                    &[layer("application/vnd.oci.image.layer.v1.tar+gzip", "x")],
                ),
                "an ordinary container image",
            ),
            (
                manifest(
                    IMAGE_CONFIG,
                    &[layer(
                        "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "x",
                    )],
                ),
                "an ordinary container image",
            ),
            (
                manifest(
                    "application/vnd.wasm.config.v0+json",
                    &[layer("application/wasm", "x")],
                ),
                "a WebAssembly component alone",
            ),
            (
                manifest(
                    "application/vnd.cncf.helm.config.v1+json",
                    &[layer("application/tar", "x")],
                ),
                "application/vnd.cncf.helm.config.v1+json",
            ),
            (
                json!({"schemaVersion": 2, "manifests": []}),
                "one for each platform",
            ),
            (json!({"schemaVersion": 2}), "has no `config`"),
            (json!([]), "malformed"),
            (with("schemaVersion", json!(1)), "has version 1"),
            (with("mediaType", json!("text/plain")), "text/plain"),
            (with("layers", json!([big])), "at most 16777216 bytes"),
            (with("layers", json!([bad])), "sha256:../.."),
            (
                with(
                    "layers",
                    json!([{"mediaType": "x", "digest": "x", "size": -1}]),
                ),
                "malformed",
            ),
        ] {
            let error = read(&manifest).map(drop).unwrap_err();
            assert!(
                error.contains(part) && error.starts_with("r.test/a:1"),
                "{manifest}: {error}"
            );
        }
    }
}
