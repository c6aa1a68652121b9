//! Applications that cannot be run, each refused in words.

use super::assert_refused;
use crate::harness::{App, HostCommand, STORE, built, command};

#[tokio::test]
async fn an_application_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert_refused(
        HostCommand::new(folder.path()),
        &["there is no", "spin.toml", "`-f`"],
    );
    assert_refused(
        HostCommand::bare().current_dir(folder.path()),
        &["there is no", "spin.toml", "`-f`"],
    );
}

#[tokio::test]
async fn the_application_of_the_current_folder_is_the_default() {
    let app = App::new().guest("trouble", "");
    let folder = app.path().to_owned();
    // Writes the manifest, and keeps the folder.
    let named = app.command();
    let host = HostCommand::bare().current_dir(&folder).start();
    host.http1().get("/trouble/count").await.expect(200);
    drop(named);
}

#[tokio::test]
async fn a_fault_in_the_manifest_is_named_with_its_line() {
    for (manifest, parts) in [
        (
            "spin_manifest_version = 2\n[application]\nname = 1\n",
            &["spin.toml:3: ", "`name`"][..],
        ),
        (
            "spin_manifest_version = 2\n\n[application\n",
            &["spin.toml:3: ", "not TOML"],
        ),
        ("spin_version = \"1\"\n", &["spin.toml:1: "]),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.redis]]\nchannel = \"c\"\ncomponent = \"a\"\n",
            &["spin.toml:4: ", "trigger.redis", "only the `http` trigger"],
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
             [component.a]\nsource = \"spin.toml\"\n",
            &["spin.toml:8: ", "component 'a'", "is no WebAssembly"],
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"none\"\n",
            &["spin.toml:6: ", "component.none"],
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
             [component.a]\nsource = { url = \"https://example.test/a.wasm\", digest = \"sha256:00\" }\n",
            &["spin.toml:8: ", "`digest`", "\"sha256:00\" is no digest"],
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
             [component.a]\nsource = \"$guests/guest_kv3.wasm\"\nallowed_outbound_hosts = [\"http://{a,b}\"]\n",
            &["spin.toml:9: ", "http://{a,b}", "braces"],
        ),
    ] {
        assert_refused(App::with_manifest(manifest).command(), parts);
    }
}

#[tokio::test]
async fn a_component_that_is_not_built_is_named_with_its_line_and_file() {
    let app = App::with_manifest(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n\
         [component.a]\nsource = \"no/such.wasm\"\n",
    );
    let file = app.path().join("no/such.wasm");
    assert_refused(
        app.command(),
        &["spin.toml:8: ", "`a`", &file.to_string_lossy()],
    );
}

#[tokio::test]
async fn a_file_that_is_no_component_is_refused() {
    for (content, part) in [
        (&b"not WebAssembly"[..], "is no WebAssembly;"),
        (b"", "is no WebAssembly;"),
        // A core module, empty.
        (
            b"\0asm\x01\0\0\0",
            "is a core module that says nothing of an HTTP handler",
        ),
        // A component, empty.
        (b"\0asm\x0d\0\x01\0", "exports no HTTP handler"),
        // One that exports a type in the place of a handler, by the name that handlers had before WASI 0.2.0.
        (
            b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0b\x34\x01\0\x2e\
              wasi:http/incoming-handler@0.2.0-rc-2023-10-18\x03\0\0",
            "has its HTTP handler as wasi:http/incoming-handler@0.2.0-rc-2023-10-18",
        ),
    ] {
        let app = App::with_manifest(
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"odd\"\n\
             [component.odd]\nsource = \"odd.wasm\"\n",
        );
        assert_refused(app.file("odd.wasm", content).command(), &["'odd'", part]);
    }
}

#[tokio::test]
async fn a_component_that_begins_with_more_memory_than_it_may_have_is_refused() {
    let app = App::new().guest("trouble", "");
    assert_refused(
        app.command().args(&["--max-instance-memory", "64KiB"]),
        &[
            "'trouble'",
            "allow its instances more with --max-instance-memory",
        ],
    );
}

#[tokio::test]
async fn an_import_that_the_host_does_not_offer_is_named() {
    let app = App::new().guest("trouble", "").guest("unknown-import", "");
    let line = app.manifest_line("guest_unknown_import.wasm");
    assert_refused(
        app.command(),
        &[
            &format!("spin.toml:{line}: "),
            "'unknown-import'",
            "imports",
            "acme:nowhere/thing",
        ],
    );
}

/// Compiling takes minutes where a component is large.
#[tokio::test]
async fn imports_are_checked_before_anything_is_compiled() {
    let app = || App::new().guest("trouble", "").guest("unknown-import", "");
    let cache = tempfile::tempdir().expect("a temporary folder");
    let folder = cache.path().to_string_lossy();
    assert_refused(
        app().command().args(&["--cache-dir", &folder]),
        &["'unknown-import'", "acme:nowhere/thing"],
    );
    let kept = cache.path().join("compiled-components");
    let kept = kept.read_dir().map_or(0, Iterator::count);
    assert_eq!(kept, 0, "something was compiled before");

    let compiled = tempfile::tempdir().expect("a temporary folder");
    let app = app();
    let output = command("compile")
        .args(["-f", &app.write().to_string_lossy(), "-o"])
        .arg(compiled.path())
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(
        said.contains("'unknown-import'") && said.contains("acme:nowhere/thing"),
        "{said}"
    );
    assert_eq!(compiled.path().read_dir().expect("a folder").count(), 0);
}

#[tokio::test]
async fn the_same_webassembly_is_compiled_once_whatever_components_have_it() {
    let app = App::new()
        .component("first", "/first/...", "guest_trouble.wasm", "")
        .component("second", "/second/...", "guest_trouble.wasm", "")
        .guest("trouble2", "")
        .component("third", "/third/...", "guest_trouble.wasm", "");
    let host = app.start(&["--disable-cache", "--log-level", "info,spindrift=debug"]);
    for id in ["first", "second", "third"] {
        // Each has instances of its own.
        assert_eq!(
            host.http1().get(&format!("/{id}/count")).await.expect(200)["ok"],
            1
        );
    }
    let log = host.log().into_iter();
    let lines: Vec<_> = log
        .filter(|line| line.contains("of 4 components in"))
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let all = "the components 'first', 'second' and 'third'";
    assert!(lines.iter().any(|line| line.contains(all)), "{lines:?}");
}

#[tokio::test]
async fn a_store_that_is_configured_nowhere_is_named() {
    let app = App::new().guest("kv3", "key_value_stores = [\"default\", \"sessions\"]");
    assert_refused(
        app.command(),
        &["kv3", "sessions", "[key_value_store.sessions]"],
    );
}

#[tokio::test]
async fn a_variable_without_a_value_is_named() {
    let app =
        App::with_head("[application]\nname = \"x\"\n[variables]\ntoken = { required = true }\n")
            .guest("vars3", "variables = { secret = \"{{ token }}\" }");
    assert_refused(app.command(), &["token"]);
}

#[tokio::test]
async fn components_are_built_first_if_asked() {
    let build = format!("cp {:?} app.wasm", built("guest_trouble.wasm"));
    let app = || {
        App::with_manifest(&format!(
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n\
             [component.a]\nsource = \"app.wasm\"\n[component.a.build]\ncommand = {build:?}\n"
        ))
    };
    assert_refused(app().command(), &["app.wasm", "--build"]);
    let host = app().start(&["--build"]);
    host.http1().get("/count").await.expect(200);
    let host = app().command().env("SPIN_ALWAYS_BUILD", "true").start();
    host.http1().get("/count").await.expect(200);
}

#[tokio::test]
async fn a_build_that_fails_is_an_error() {
    let app = App::with_manifest(
        "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n\
         [component.a]\nsource = \"app.wasm\"\n[component.a.build]\ncommand = \"exit 3\"\n",
    );
    assert_refused(app.command().args(&["--build"]), &["`a`", "3"]);
}

#[tokio::test]
async fn a_route_that_is_never_taken_is_a_warning() {
    let host = App::new()
        .guest("kv3", STORE)
        .component("other", "/kv3/...", "guest_trouble.wasm", "")
        .start(&[]);
    host.logged(&["WARN", "/kv3/..."]);
}
