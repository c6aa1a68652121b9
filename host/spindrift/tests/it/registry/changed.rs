//! Layers and manifests that are not what they should be: nothing of them is used, and each says what is wrong.

use serde_json::{Value, json};

use super::artifacts::{IMAGE_CONFIG, MANIFEST, Repository, locked};
use super::server::{APPLICATION, ARCHIVE, DATA, Server, WASM, change};
use super::{app, assert_refused, push, up};

/// A layer of each kind by its media type, and what it is called.
const LAYERS: [(&str, &str); 3] = [
    (WASM, "the WebAssembly of component `"),
    (DATA, "the file \"static/"),
    (APPLICATION, "the locked application"),
];

#[tokio::test]
async fn a_changed_layer_is_refused_by_its_digest() {
    for (media_type, what) in LAYERS {
        let server = Server::start();
        let reference = push(&app(), &server, "app:v1");
        let digest = server.layers(&reference, media_type).remove(0);
        change(&server.blob(&digest));
        let expected = format!("should have the digest {digest}, and has sha256:");
        for reference in [&reference, &server.reference("app:v1")] {
            assert_refused(
                up(reference),
                &[reference, what, "has been changed", &expected],
            );
        }
    }
}

#[tokio::test]
async fn a_layer_of_another_size_is_refused() {
    let server = Server::start();
    for (name, change) in [
        ("longer", (|bytes| bytes.push(0)) as fn(&mut Vec<u8>)),
        ("shorter", |bytes| bytes.truncate(bytes.len() - 1)),
        ("empty", Vec::clear),
    ] {
        let app = app().file("assets/large.txt", name.repeat(100));
        let reference = push(&app, &server, &format!("{name}:v1"));
        let digest = super::artifacts::digest(name.repeat(100).as_bytes());
        let path = server.blob(&digest);
        let mut bytes = std::fs::read(&path).expect("a layer");
        let size = format!("should have {} bytes, and has ", bytes.len());
        change(&mut bytes);
        std::fs::write(&path, bytes).expect("the layer is changed");
        assert_refused(
            up(&reference),
            &["the file \"static/large.txt\" of component `env`", &size],
        );
    }
}

#[tokio::test]
async fn a_missing_layer_is_named() {
    for (media_type, what) in LAYERS {
        let server = Server::start();
        let reference = push(&app(), &server, "app:v1");
        let digest = server.layers(&reference, media_type).remove(0);
        std::fs::remove_file(server.blob(&digest)).expect("a layer");
        assert_refused(
            up(&reference),
            &[what, &digest, "is missing from the registry"],
        );
    }
}

#[tokio::test]
async fn a_changed_manifest_is_refused() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let (_, digest) = reference.split_once('@').expect("a digest");
    let path = server.blob(digest);
    let text = std::fs::read_to_string(&path).expect("a manifest");
    std::fs::write(&path, text.replace("1.2.3", "1.2.4")).expect("the manifest is changed");
    // The registry goes on to say the digest that the tag has, so this does not depend on the reference's own.
    for reference in [&reference, &server.reference("app:v1")] {
        let expected = format!("should have the digest {digest}, and has sha256:");
        assert_refused(
            up(reference),
            &[reference, "the manifest has been changed", &expected],
        );
    }
}

#[tokio::test]
async fn a_digest_that_is_not_there_is_not_found() {
    let server = Server::start();
    push(&app(), &server, "app:v1");
    let digest = format!("sha256:{}", "0".repeat(64));
    for name in [
        &format!("app@{digest}"),
        &format!("app:v1@{digest}"),
        "app:v2",
        "none:v1",
    ] {
        let reference = server.reference(name);
        assert_refused(
            up(&reference),
            &[&reference, "no such repository, tag or digest"],
        );
    }
}

#[tokio::test]
async fn small_files_in_the_locked_application_are_checked_too() {
    let server = Server::start();
    let repository = Repository::new(&server, "inline");
    let wasm = repository.guest("guest_env.wasm").await;
    let hello = super::artifacts::digest(b"hello");
    for (tag, inline, is_good) in [("good", "aGVsbG8", true), ("bad", "aGVsbHA", false)] {
        let files = json!([{"inline": inline, "digest": hello, "path": "a.txt"}]);
        let reference = repository
            .application(tag, &locked(&wasm, files), vec![wasm.clone()])
            .await;
        if is_good {
            let host = up(&reference).start();
            let answer = host.http1().get("/env/file?path=/a.txt").await;
            assert_eq!(answer.json(), json!({"ok": "hello"}));
        } else {
            assert_refused(up(&reference), &["\"a.txt\"", &hello, "has been changed"]);
        }
    }
}

/// An archive with one file, at a path that is written as it is.
fn archive(path: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    builder.append(&header, content).expect("an archive");
    let archive = builder.into_inner().and_then(|encoder| encoder.finish());
    archive.expect("an archive")
}

/// As Spin has it: files are listed by digest, and are in an archive layer that the locked application does not mention.
#[tokio::test]
async fn archives_are_unpacked_and_what_is_suspicious_is_refused() {
    let content = b"from an archive".repeat(20);
    let digest = super::artifacts::digest(&content);
    let server = Server::start();
    let repository = Repository::new(&server, "archives");
    let wasm = repository.guest("guest_env.wasm").await;
    let files = json!([{"digest": digest, "path": "sub/a.txt"}]);
    let application = locked(&wasm, files);
    let with = async |tag: &str, bytes: Vec<u8>| -> String {
        let layer = repository.blob(ARCHIVE, bytes).await;
        let layers = vec![wasm.clone(), layer];
        repository.application(tag, &application, layers).await
    };

    let good = with(
        "good",
        archive("./sub/a.txt", tar::EntryType::Regular, &content),
    )
    .await;
    let host = up(&good).start();
    let answer = host.http1().get("/env/file?path=/sub/a.txt").await;
    assert_eq!(
        answer.json(),
        json!({"ok": String::from_utf8_lossy(&content)})
    );

    for (tag, bytes, part) in [
        (
            "up",
            archive("../a", tar::EntryType::Regular, &content),
            "../a, which leads out of it",
        ),
        (
            "root",
            archive("/etc/x", tar::EntryType::Regular, &content),
            "/etc/x, which leads out of it",
        ),
        (
            "link",
            archive("a", tar::EntryType::Symlink, b""),
            "neither a file nor a folder",
        ),
        ("text", content.clone(), "is malformed"),
        (
            "other",
            archive("a", tar::EntryType::Regular, b"other"),
            "\"sub/a.txt\" of component `env`",
        ),
    ] {
        let reference = with(tag, bytes).await;
        assert_refused(up(&reference), &[part]);
    }
}

#[tokio::test]
async fn what_is_listed_as_too_large_is_not_fetched() {
    let server = Server::start();
    let repository = Repository::new(&server, "large");
    let wasm = repository.guest("guest_env.wasm").await;
    let config = repository.blob(IMAGE_CONFIG, "{}").await;
    let application = repository
        .blob(APPLICATION, locked(&wasm, json!([])).to_string())
        .await;
    let resized = |descriptor: &Value, size: u64| {
        let mut descriptor = descriptor.clone();
        descriptor["size"] = json!(size);
        descriptor
    };
    for (tag, layers, part) in [
        (
            "layer",
            [application.clone(), resized(&wasm, 300 << 20)],
            "at most 268435456 bytes",
        ),
        (
            "locked",
            [resized(&application, 17 << 20), wasm.clone()],
            "at most 16777216 bytes",
        ),
    ] {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let reference = repository.manifest(tag, MANIFEST, &manifest).await;
        assert_refused(up(&reference), &["is too large", part]);
    }
}
