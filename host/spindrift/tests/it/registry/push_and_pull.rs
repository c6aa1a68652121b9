//! What is pushed runs from the registry as it does from its manifest.

use serde_json::{Value, json};

use super::docker::no_credentials;
use super::server::{APPLICATION, ARCHIVE, DATA, Server, WASM};
use super::{app, large, push, push_with, up};
use crate::harness::{App, Client, STORE};

/// What the application above answers, wherever it comes from.
async fn answers(client: &Client) -> Vec<Value> {
    let mut answers = Vec::new();
    for path in [
        "/env/file?path=/small.txt",
        "/env/file?path=/static/large.txt",
        "/env/file?path=/static/deep/er/page.html",
        "/env/list?path=/",
        "/env/list?path=/static",
        "/env/file?path=/spin.toml",
        "/kv3/set?key=k&value=v",
        "/kv3/get?key=k",
        "/gone",
    ] {
        let answer = client.get(path).await;
        answers.push(json!([answer.status.as_u16(), answer.text()]));
    }
    answers
}

#[tokio::test]
async fn an_application_runs_from_a_registry_as_from_its_manifest() {
    let server = Server::start();
    let expected = answers(&app().start(&[]).http1()).await;
    assert_eq!(
        expected[0],
        json!([200, json!({"ok": "small"}).to_string()])
    );
    assert_eq!(
        expected[1],
        json!([200, json!({"ok": large()}).to_string()])
    );
    assert_eq!(expected[8], json!([410, "gone"]));

    let exact = push(&app(), &server, "store/app:v1");
    let (tag, _) = exact.split_once('@').expect("a digest");
    let (name, digest) = (
        server.reference("store/app"),
        exact.split_once('@').expect("a digest").1,
    );
    for reference in [&exact, tag, &format!("{name}@{digest}")] {
        let host = up(reference).start();
        assert_eq!(answers(&host.http1()).await, expected, "{reference}");
        host.wait_until_printed("env: ");
        host.wait_until_printed("tells its surroundings");
        // What the log says is what a deployment can be pinned to.
        host.logged(&[digest, "2 components"]);
    }
}

#[tokio::test]
async fn the_same_application_has_the_same_digest_and_another_one_has_not() {
    let server = Server::start();
    let first = push(&app(), &server, "app:v1");
    assert_eq!(push(&app(), &server, "app:v1"), first);
    let digest = |reference: &str| {
        reference
            .split_once('@')
            .map(|(_, digest)| digest.to_owned())
    };
    assert_eq!(digest(&push(&app(), &server, "other:v2")), digest(&first));
    let changed = push(&app().file("small.txt", "larger"), &server, "app:v1");
    assert_ne!(digest(&changed), digest(&first));
    // The tag has moved, and the digest has not.
    let host = up(&server.reference("app:v1")).start();
    assert_eq!(
        host.http1().get("/env/file?path=/small.txt").await.json(),
        json!({"ok": "larger"})
    );
    let host = up(&first).start();
    assert_eq!(
        host.http1().get("/env/file?path=/small.txt").await.json(),
        json!({"ok": "small"})
    );
}

#[tokio::test]
async fn a_choice_of_components_pulls_only_theirs() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let locked = server.locked(&reference);
    let components = locked["components"].as_array().expect("components");
    let env = components.iter().find(|component| component["id"] == "env");
    let digest = env.expect("env")["source"]["digest"]
        .as_str()
        .expect("a digest");
    std::fs::remove_file(server.blob(digest)).expect("a layer of env");

    let host = up(&reference).args(&["--component-id", "kv3"]).start();
    host.http1().get("/kv3/set?key=k&value=v").await.expect(200);
    assert_eq!(host.http1().get("/env/list").await.status, 404);
    super::assert_refused(
        up(&reference).args(&["-c", "none"]),
        &[
            "has no component `none` to keep; it has `env`, `kv3`",
            "@sha256:",
        ],
    );
}

/// The command line and the environment that SpinKube's operator gives, but for the port.
#[tokio::test]
async fn the_operators_command_line_runs_an_application() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("runtime-config.toml");
    std::fs::write(
        &config,
        "[key_value_store.default]\ntype = \"local\"\nmax_value_size = \"65536\"\n",
    )
    .expect("the runtime configuration");
    let host = up(&reference)
        .args(&["--listen", "0.0.0.0:0", "--find-free-port"])
        .args(&["--runtime-config-file", &config.to_string_lossy()])
        .args(&["--component-id", "kv3"])
        .env("SPIN_VARIABLE_UNUSED", "y")
        .env("SPIN_MAX_INSTANCE_MEMORY", "33554432")
        .env("SPIN_ALWAYS_BUILD", "1")
        .keep(folder)
        .start();
    let address = host.address();
    let client = Client::http1(format!("http://127.0.0.1:{}", address.port()));
    for (length, part) in [(65_536, "ok"), (65_537, "error")] {
        let set = client.post("/kv3/set?key=k", "v".repeat(length)).await;
        let set = set.expect(200);
        assert!(!set[part].is_null(), "{length}: {set}");
    }
    // Only the component that is named.
    client.get("/env/list?path=/").await.expect(404);
}

#[tokio::test]
async fn more_files_than_a_registry_has_layers_for_are_archived() {
    let server = Server::start();
    let mut app = App::new().guest(
        "env",
        "files = [{ source = \"many\", destination = \"/\" }]",
    );
    for n in 0..600 {
        app = app.file(&format!("many/{n}/file"), format!("{n} ").repeat(60));
    }
    let reference = push(&app, &server, "many:v1");
    for (media_type, count) in [(ARCHIVE, 1), (WASM, 1), (APPLICATION, 1), (DATA, 0)] {
        let layers = server.layers(&reference, media_type);
        assert_eq!(layers.len(), count, "{media_type}");
    }
    let host = up(&reference).start();
    for n in [0, 299, 599] {
        let answer = host.http1().get(&format!("/env/file?path=/{n}/file")).await;
        assert_eq!(answer.json(), json!({"ok": format!("{n} ").repeat(60)}));
    }
}

#[tokio::test]
async fn what_cannot_be_pushed_is_refused_and_nothing_is_printed() {
    let server = Server::start();
    let digest = format!("sha256:{}", "0".repeat(64));
    let with_digest = server.reference(&format!("app@{digest}"));
    let app_reference = server.reference("app:v1");
    let unbuilt = App::with_manifest(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
         [component.a]\nsource = \"a.wasm\"\nbuild = { command = \"true\" }\n",
    );
    let no_wasm = App::with_manifest(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
         [component.a]\nsource = \"a.wasm\"\n",
    )
    .file("a.wasm", "text");
    let no_handler = App::with_manifest(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
         [component.a]\nsource = \"a.wasm\"\n",
    )
    .file("a.wasm", b"\0asm\x01\0\0\0");
    for (app, reference, parts) in [
        (&app(), &with_digest, &["is pushed to a tag", &digest][..]),
        (
            &unbuilt,
            &app_reference,
            &["spin.toml:8: ", "build it first"],
        ),
        (
            &no_wasm,
            &app_reference,
            &["component `a`", "is no WebAssembly"],
        ),
        (
            &no_handler,
            &app_reference,
            &[
                "spin.toml:8: ",
                "component `a`",
                "nothing of an HTTP handler",
            ],
        ),
    ] {
        let output = push_with(app, &["-k", reference], &no_credentials());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.stdout, b"");
        super::assert_says(&String::from_utf8_lossy(&output.stderr), parts);
    }
    let output = push_with(&app(), &["No Reference"], &no_credentials());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// So that any host can run what comes from a registry.
#[tokio::test]
async fn what_is_pushed_of_a_core_module_is_a_component() {
    let server = Server::start();
    let app = App::new().module("kv2", STORE);
    let reference = push(&app, &server, "module:v1");
    let locked = server.locked(&reference);
    let digest = locked["components"][0]["source"]["digest"].as_str();
    let layer = std::fs::read(server.blob(digest.expect("a digest"))).expect("a layer");
    assert!(layer.starts_with(b"\0asm\x0d\0\x01\0"), "{:?}", &layer[..8]);
    let host = up(&reference).start();
    host.http1().get("/kv2/set?key=k&value=v").await.expect(200);
    // The same module is the same component.
    let again = push(&app, &server, "module:v2");
    let hash = |reference: &str| reference.rsplit_once('@').map(|(_, hash)| hash.to_owned());
    assert_eq!(hash(&again), hash(&reference));
}

#[tokio::test]
async fn components_are_built_before_they_are_pushed_if_that_is_asked_for() {
    let server = Server::start();
    let built = crate::harness::built("guest_kv3.wasm");
    let app = App::with_manifest(&format!(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/kv3/...\"\ncomponent = \"kv3\"\n\
         [component.kv3]\nsource = \"made.wasm\"\n{STORE}\nbuild.command = \"cp {} made.wasm\"\n",
        built.display()
    ));
    let reference = server.reference("built:v1");
    let output = push_with(&app, &["--build", "-k", &reference], &no_credentials());
    assert!(output.status.success(), "{output:?}");
    let host = up(&reference).start();
    host.http1().get("/kv3/set?key=k&value=v").await.expect(200);
}
