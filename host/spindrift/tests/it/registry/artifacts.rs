//! Artifacts made by hand, as Spin and others make them.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{APPLICATION, Server, WASM};
use crate::harness::{Client, built};

/// The media type of the configuration of an image.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// That of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A repository that blobs and manifests are put into one by one.
pub struct Repository<'a> {
    server: &'a Server,
    client: Client,
    name: &'a str,
}

impl<'a> Repository<'a> {
    /// The repository of that name.
    pub fn new(server: &'a Server, name: &'a str) -> Self {
        Repository {
            server,
            client: server.client(),
            name,
        }
    }

    /// Puts a blob there, and gives its descriptor.
    pub async fn blob(&self, media_type: &str, bytes: impl AsRef<[u8]>) -> Value {
        let bytes = bytes.as_ref();
        let digest = digest(bytes);
        let uploads = format!("/v2/{}/blobs/uploads/", self.name);
        let started = self.client.post(&uploads, "").await;
        assert_eq!(started.status, 202, "{started:?}");
        let location = started.header("location");
        let path = location
            .find("/v2/")
            .map_or(location, |start| &location[start..]);
        let path = format!("{path}&digest={digest}");
        let stored = self.client.put(&path, bytes.to_vec()).await;
        assert_eq!(stored.status, 201, "{stored:?}");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Puts a manifest there under the tag, and gives the reference with the digest.
    pub async fn manifest(&self, tag: &str, content_type: &str, manifest: &Value) -> String {
        let bytes = serde_json::to_vec(manifest).expect("JSON");
        let digest = digest(&bytes);
        let path = format!("/v2/{}/manifests/{tag}", self.name);
        let headers = [("content-type", content_type)];
        let stored = self.client.send(Method::PUT, &path, &headers, bytes).await;
        assert_eq!(stored.status, 201, "{stored:?}");
        self.server
            .reference(&format!("{}:{tag}@{digest}", self.name))
    }

    /// Puts an image there: its configuration and its layers.
    pub async fn image(&self, tag: &str, config: Value, layers: &[Value]) -> String {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        self.manifest(tag, MANIFEST, &manifest).await
    }

    /// Puts an application there, as Spin does, with these layers beside the locked application.
    pub async fn application(&self, tag: &str, locked: &Value, mut layers: Vec<Value>) -> String {
        let config = self.blob(IMAGE_CONFIG, "{}").await;
        layers.push(self.blob(APPLICATION, locked.to_string()).await);
        self.image(tag, config, &layers).await
    }

    /// Puts the WebAssembly of a guest there.
    pub async fn guest(&self, module: &str) -> Value {
        let bytes = std::fs::read(built(module)).expect("a built guest");
        self.blob(WASM, bytes).await
    }
}

/// A locked application with the guest `env` at `/env/...`, whose WebAssembly has that digest, and with these files.
pub fn locked(wasm: &Value, files: Value) -> Value {
    json!({
        "spin_lock_version": 0,
        "metadata": {"name": "by-hand", "trigger": {"type": "http"}},
        "triggers": [{
            "id": "http-trigger-env",
            "trigger_type": "http",
            "trigger_config": {"component": "env", "route": "/env/..."},
        }],
        "components": [{
            "id": "env",
            "source": {"content_type": "application/wasm", "digest": wasm["digest"]},
            "files": files,
        }],
    })
}

/// The digest of bytes, as registries have it.
pub fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
