//! What is pushed is what Spin reads.
//!
//! The types below say what Spin 4 expects: its loader of registry applications (`spin-oci`: `client.rs`, `loader.rs`) and
//! the types of a locked application (`spin-locked-app`: `locked.rs`). They are stricter than Spin: a field that it would
//! ignore is a mistake here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::artifacts::{IMAGE_CONFIG, MANIFEST, digest};
use super::server::{APPLICATION, ARCHIVE, DATA, Server, WASM};
use super::{app, large, push};
use crate::harness::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedApp {
    /// 0, unless `must_understand` or `host_requirements` say something.
    spin_lock_version: u64,
    metadata: AppMetadata,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    triggers: Vec<LockedTrigger>,
    components: Vec<LockedComponent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppMetadata {
    name: String,
    version: Option<String>,
    description: Option<String>,
    authors: Option<Vec<String>>,
    /// `{"type": "http"}`, for an application with triggers of one type.
    trigger: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    description: Option<String>,
    /// Required without one.
    default: Option<String>,
    #[serde(default)]
    secret: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedTrigger {
    id: String,
    trigger_type: String,
    trigger_config: HttpTriggerConfig,
}

/// The settings of Spin's HTTP trigger.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTriggerConfig {
    component: Option<String>,
    /// A string, or `{"private": true}`.
    route: Value,
    executor: Option<Value>,
    static_response: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedComponent {
    id: String,
    #[serde(default)]
    metadata: ComponentMetadata,
    source: LockedSource,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: Vec<LockedFile>,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentMetadata {
    description: Option<String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    key_value_stores: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedSource {
    content_type: String,
    /// Of a layer. The loader needs it even if the content is `inline`.
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedFile {
    /// Names with `/` between them: Spin refuses anything else.
    path: String,
    digest: String,
    /// Base64 without padding. Spin has no layer for what is here.
    inline: Option<String>,
}

/// The locked application of a reference, as Spin would read it.
fn locked(server: &Server, reference: &str) -> LockedApp {
    serde_json::from_value(server.locked(reference)).expect("what Spin reads")
}

#[tokio::test]
async fn the_locked_application_has_the_fields_that_spin_reads() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let locked = locked(&server, &reference);
    assert_eq!(locked.spin_lock_version, 0);
    let metadata = locked.metadata;
    assert_eq!(metadata.name, "shipped");
    assert_eq!(metadata.version.as_deref(), Some("1.2.3"));
    assert_eq!(metadata.description.as_deref(), Some("for a registry"));
    assert_eq!(
        metadata.authors.as_deref(),
        Some(&["somebody".to_owned()][..])
    );
    assert_eq!(metadata.trigger["type"], "http");
    let unused = &locked.variables["unused"];
    assert_eq!(unused.default.as_deref(), Some("x"));
    assert!(unused.description.is_none() && !unused.secret);

    let triggers: Vec<_> = locked
        .triggers
        .iter()
        .map(|trigger| {
            let config = &trigger.trigger_config;
            assert!(config.executor.is_none());
            assert_eq!(config.static_response.is_some(), config.component.is_none());
            (
                trigger.id.as_str(),
                trigger.trigger_type.as_str(),
                config.route.as_str(),
                config.component.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        triggers,
        [
            ("env-http-trigger", "http", Some("/env/..."), Some("env")),
            ("kv3-http-trigger", "http", Some("/kv3/..."), Some("kv3")),
            ("http-trigger1", "http", Some("/gone"), None),
        ]
    );
    let [env, kv3] = &locked.components[..] else {
        panic!("{} components", locked.components.len());
    };
    assert_eq!((env.id.as_str(), kv3.id.as_str()), ("env", "kv3"));
    let description = env.metadata.description.as_deref();
    assert_eq!(description, Some("tells its surroundings"));
    assert_eq!(env.env["MODE"], "shipped");
    assert!(env.config.is_empty() && env.metadata.allowed_outbound_hosts.is_empty());
    assert_eq!(kv3.metadata.key_value_stores, ["default"]);
    let files: Vec<_> = env
        .files
        .iter()
        .map(|file| {
            (
                file.path.as_str(),
                file.digest.clone(),
                file.inline.as_deref(),
            )
        })
        .collect();
    let page = "<p>page</p>".repeat(50);
    assert_eq!(
        files,
        [
            ("small.txt", digest(b"small"), Some("c21hbGw")),
            ("static/deep/er/page.html", digest(page.as_bytes()), None),
            ("static/large.txt", digest(large().as_bytes()), None),
        ]
    );
}

/// The loader pulls every layer, keeps it by its digest in a folder that its media type decides on, and then looks each
/// content up there: WebAssembly among WebAssembly, files among all others.
#[tokio::test]
async fn every_content_is_where_spin_looks_for_it() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let (wasm, data) = (
        server.layers(&reference, WASM),
        server.layers(&reference, DATA),
    );
    for component in locked(&server, &reference).components {
        assert_eq!(component.source.content_type, "application/wasm");
        assert!(wasm.contains(&component.source.digest), "{}", component.id);
        for file in component.files {
            let has_layer = data.contains(&file.digest);
            assert_eq!(has_layer, file.inline.is_none(), "{}", file.path);
        }
    }
    let manifest = server.manifest(&reference);
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], MANIFEST);
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), wasm.len() + data.len() + 1);
    for layer in layers.iter().chain([&manifest["config"]]) {
        let path = server.blob(layer["digest"].as_str().expect("a digest"));
        let bytes = std::fs::read(path).expect("a blob");
        assert_eq!(layer["digest"], digest(&bytes));
        assert_eq!(layer["size"], bytes.len());
    }
    for (annotation, value) in [
        ("title", "shipped"),
        ("version", "1.2.3"),
        ("description", "for a registry"),
        ("authors", "somebody"),
    ] {
        let annotation = format!("org.opencontainers.image.{annotation}");
        assert_eq!(manifest["annotations"][&annotation], value, "{annotation}");
    }
    // It must be an image's configuration, and Spin has the digest of the locked application in it.
    assert_eq!(manifest["config"]["mediaType"], IMAGE_CONFIG);
    let config = server.json(manifest["config"]["digest"].as_str().expect("a digest"));
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "Wasip1");
    let application = server.layers(&reference, APPLICATION).remove(0);
    assert_eq!(
        config["config"]["Labels"]["com.fermyon.spin.lockedAppDigest"],
        application
    );
}

/// The loader unpacks an archive, and keeps each file by its digest.
#[tokio::test]
async fn archived_files_are_listed_by_their_digests() {
    let server = Server::start();
    let mut app = App::new().guest(
        "env",
        "files = [{ source = \"many\", destination = \"/\" }]",
    );
    for n in 0..600 {
        app = app.file(&format!("many/{n}"), n.to_string().repeat(100));
    }
    let reference = push(&app, &server, "many:v1");
    let archives = server.layers(&reference, ARCHIVE);
    let file = std::fs::File::open(server.blob(&archives[0])).expect("an archive");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let folder = tempfile::tempdir().expect("a temporary folder");
    archive.unpack(folder.path()).expect("an archive");
    let component = locked(&server, &reference).components.remove(0);
    assert_eq!(component.files.len(), 600);
    for file in component.files {
        let bytes = std::fs::read(folder.path().join(&file.path)).expect("the file");
        assert_eq!(digest(&bytes), file.digest, "{}", file.path);
    }
}
