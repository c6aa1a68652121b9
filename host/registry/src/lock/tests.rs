//! Applications, locked and unlocked again.

use std::collections::BTreeSet;

use spindrift_app::{Origin, load, manifest};

use super::*;
use crate::blobs::Blobs;
use crate::unlock::unlock;

const MANIFEST: &str = r#"
spin_manifest_version = 2
[application]
name = "all"
version = "1.0.0"
authors = ["a"]
[variables]
host = { default = "example.com" }
token = { required = true, secret = true, description = "secret" }
[[trigger.http]]
route = "/one/:id"
component = "one"
[[trigger.http]]
id = "two"
route = "/two/..."
component = "two"
executor = { type = "http" }
[[trigger.http]]
route = { private = true }
component = "two"
[[trigger.http]]
route = "/gone"
static_response = { status_code = 410, headers = { x = "y" }, body = "gone" }
[[trigger.http]]
route = "/inline"
component = { source = "same.wasm" }
[component.one]
source = "one.wasm"
description = "the first"
key_value_stores = ["default"]
sqlite_databases = ["default", "other"]
ai_models = ["llama2-chat"]
allowed_outbound_hosts = ["https://{{host}}"]
environment = { MODE = "test" }
variables = { url = "https://{{ host }}/" }
files = ["small.txt", { source = "folder", destination = "/assets" }]
exclude_files = ["folder/secret"]
build = { command = "make" }
[component.two]
source = "same.wasm"
files = ["small.txt"]
"#;

/// The manifest above with its files.
fn application() -> (tempfile::TempDir, Application) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("folder")).expect("a folder");
    for (path, content) in [
        ("spin.toml", MANIFEST.to_owned()),
        ("one.wasm", format!("\0asm{}", "1".repeat(200))),
        ("same.wasm", "\0asm".to_owned()),
        ("small.txt", "small".to_owned()),
        ("folder/large.txt", "large".repeat(100)),
        ("folder/secret", "secret".to_owned()),
    ] {
        std::fs::write(folder.path().join(path), content).expect("a file");
    }
    let application = load(folder.path(), &[]).unwrap_or_else(|error| panic!("{error}"));
    (folder, application)
}

fn types(locked: &Locked) -> Vec<&'static str> {
    let mut types: Vec<_> = locked.layers.iter().map(|layer| layer.media_type).collect();
    types.sort_unstable();
    types
}

#[test]
fn what_is_unlocked_is_what_was_locked() {
    let (_folder, application) = application();
    for max_layers in [100, 4] {
        let locked = lock(&application, max_layers).expect("it is good");
        let json = serde_json::to_vec(&locked.application).expect("JSON");
        let unlocked = LockedApplication::read(&json)
            .and_then(unlock)
            .expect("it is good");
        let origin = Origin::Registry("r.test/a".to_owned());
        let blobs = Blobs::open(None).expect("a temporary folder");
        let again = manifest::read(&origin, blobs.root(), &unlocked.manifest, &[])
            .unwrap_or_else(|error| panic!("{error}"));

        assert_eq!(again.name, application.name);
        assert_eq!(again.version, application.version);
        assert_eq!(again.authors, application.authors);
        let routes = |application: &Application| {
            let routes = application.router.routes();
            routes
                .map(|route| (route.id.clone(), route.raw().to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(routes(&again), routes(&application));
        let declared = |application: &Application| {
            let variables = application.variables.iter();
            variables
                .map(|(name, v)| (name.clone(), v.default.clone(), v.secret))
                .collect::<Vec<_>>()
        };
        assert_eq!(declared(&again), declared(&application));
        for component in &application.components {
            let again = again
                .components
                .iter()
                .find(|other| other.id == component.id);
            let again = again.expect("the same components");
            assert_eq!(again.description, component.description);
            assert_eq!(again.key_value_stores, component.key_value_stores);
            assert_eq!(again.sqlite_databases, component.sqlite_databases);
            assert_eq!(again.ai_models, component.ai_models);
            assert_eq!(
                again.allowed_outbound_hosts,
                component.allowed_outbound_hosts
            );
            assert_eq!(again.variables, component.variables);
            assert_eq!(again.environment, component.environment);
            assert_eq!(again.build, None);
            let mut paths: Vec<_> = again
                .files
                .mounts
                .iter()
                .filter_map(|m| m.destination.clone())
                .collect();
            paths.sort_unstable();
            let staged = component.files.resolve().expect("its files");
            let staged: Vec<_> = staged
                .iter()
                .map(|file| file.guest.display().to_string())
                .collect();
            assert_eq!(paths, staged);
        }
    }
}

#[test]
fn each_content_is_one_layer_and_a_small_file_is_none() {
    let (_folder, application) = application();
    let locked = lock(&application, 3).expect("it is good");
    // `same.wasm` is that of two components.
    assert_eq!(
        types(&locked),
        [media_type::DATA, media_type::WASM, media_type::WASM]
    );
    for layer in &locked.layers {
        assert_eq!(layer.digest, Digest::of(&layer.bytes));
    }
    let one = &locked.application.components[0];
    let inline: Vec<_> = one
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.content.inline.is_some()))
        .collect();
    assert_eq!(inline, [("assets/large.txt", false), ("small.txt", true)]);
}

#[test]
fn too_many_layers_become_an_archive_for_each_component() {
    let (folder, _) = application();
    for n in 0..10 {
        let file = folder.path().join(format!("folder/{n}"));
        std::fs::write(file, n.to_string().repeat(200)).expect("a file");
    }
    let application = load(folder.path(), &[]).expect("it is good");
    let locked = lock(&application, 4).expect("it is good");
    assert_eq!(
        types(&locked),
        [
            media_type::ARCHIVE,
            media_type::ARCHIVE,
            media_type::WASM,
            media_type::WASM
        ]
    );
    let wanted: BTreeSet<_> = locked
        .application
        .components
        .iter()
        .flat_map(|component| &component.files)
        .filter_map(|file| Digest::parse(file.content.digest.as_deref()?))
        .collect();
    assert_eq!(wanted.len(), 12);
    let blobs = Blobs::open(None).expect("a temporary folder");
    let mut allowance = archive::Allowance::default();
    for layer in &locked.layers {
        if layer.media_type == media_type::ARCHIVE {
            archive::unpack(layer.bytes.as_ref(), &wanted, &mut allowance, &blobs)
                .expect("an archive");
        }
    }
    assert!(wanted.iter().all(|digest| blobs.has(digest)));

    let error = lock(&application, 3).map(drop).unwrap_err().to_string();
    assert!(error.contains("a registry takes 3 layers"), "{error}");
}

#[test]
fn what_is_no_webassembly_is_not_pushed() {
    let (folder, application) = application();
    std::fs::write(folder.path().join("one.wasm"), "#!/bin/sh").expect("a file");
    let error = lock(&application, 100).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("component `one`") && error.contains("one.wasm is no WebAssembly"),
        "{error}"
    );
}
