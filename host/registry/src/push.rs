//! [`push()`]: from an application to a reference with a digest.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use oci_client::{RegistryOperation, annotations};
use serde_json::{Value, json};
use spindrift_app::{Application, Digest};

use super::client::{Client, block_on};
use super::lock::{Layer, lock};
use super::{Reference, RegistryError, limits, media_type};

/// Layers that are sent at once.
const PARALLEL: usize = 4;

/// How registries are pushed to.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Speak HTTP without TLS.
    pub insecure: bool,
}

/// Pushes an application, in the form of `spin registry push`, and gives the reference with its digest. It must not be
/// called where tasks run, since it waits for some of its own.
///
/// The same application always has the same digest: nothing of the time, the machine or the folder is in it.
///
/// # Errors
///
/// The reference has a digest, the application is larger than an application from a registry may be, or the registry does
/// not take it; [`RegistryError::Application`] when a file cannot be read.
pub fn push(
    application: &Application,
    reference: &Reference,
    options: &PushOptions,
) -> Result<Reference, RegistryError> {
    if let Some(digest) = reference.digest() {
        return Err(RegistryError::Push(format!(
            "{reference}: an application is pushed to a tag, and gets the digest that it has; leave @{digest} out"
        )));
    }
    let artifact = PushedArtifact::of(application)?;
    block_on(artifact.push(reference, options))?
}

/// Everything that is sent.
struct PushedArtifact {
    layers: Vec<Layer>,
    config: Layer,
    manifest: Bytes,
}

impl PushedArtifact {
    fn of(application: &Application) -> Result<Self, RegistryError> {
        // One layer is for the locked application.
        let locked = lock(application, limits::LAYERS - 1)?;
        let json = to_json(&locked.application)?;
        if json.len() as u64 > limits::LOCKED_APPLICATION {
            return Err(RegistryError::Push(format!(
                "{}: its locked application would have {} bytes, and may have {}",
                application.origin,
                json.len(),
                limits::LOCKED_APPLICATION
            )));
        }
        let mut layers = locked.layers;
        let locked = Layer::new(media_type::APPLICATION, json);
        let config = Layer::new(IMAGE_CONFIG_MEDIA_TYPE, config(&locked.digest)?);
        layers.push(locked);
        let descriptors: Vec<_> = layers.iter().map(descriptor).collect();
        let manifest = to_json(&json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "config": descriptor(&config),
            "layers": descriptors,
            "annotations": annotations(application),
        }))?;
        Ok(Self {
            layers,
            config,
            manifest,
        })
    }

    async fn push(
        self,
        reference: &Reference,
        options: &PushOptions,
    ) -> Result<Reference, RegistryError> {
        let client = Client::connect(reference, RegistryOperation::Push, options.insecure).await?;
        let digest = Digest::of(&self.manifest);
        stream::iter(self.layers.into_iter().chain([self.config]))
            .map(async |layer| client.push_blob(&layer.digest, layer.bytes).await)
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        client.push_manifest(self.manifest).await?;
        Ok(reference.with_digest(&digest))
    }
}

/// The image's configuration, which is no use to anyone but must be one. With the locked application's digest in it, as in
/// Spin, two applications never have the same: container runtimes would take them for one image.
fn config(locked: &Digest) -> Result<Bytes, RegistryError> {
    to_json(&json!({
        "architecture": "wasm",
        "os": "Wasip1",
        "config": { "Labels": { "com.fermyon.spin.lockedAppDigest": locked.as_str() } },
        "rootfs": { "type": "layers", "diff_ids": [] },
    }))
}

fn descriptor(layer: &Layer) -> Value {
    json!({
        "mediaType": layer.media_type,
        "digest": layer.digest.as_str(),
        "size": layer.bytes.len(),
    })
}

fn annotations(application: &Application) -> BTreeMap<&'static str, String> {
    let annotations = [
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_TITLE,
            application.name.clone(),
        ),
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_VERSION,
            application.version.clone(),
        ),
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_DESCRIPTION,
            application.description.clone(),
        ),
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_AUTHORS,
            application.authors.join(", "),
        ),
    ];
    let annotations = annotations.into_iter().filter(|(_, text)| !text.is_empty());
    annotations.collect()
}

fn to_json(value: &impl serde::Serialize) -> Result<Bytes, RegistryError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| RegistryError::Push(format!("the application is no JSON: {error}")))
}
