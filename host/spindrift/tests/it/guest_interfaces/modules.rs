//! Guests that are core modules, as Rust builds them for `wasm32-wasip1`: the host makes components of them. What cannot be
//! one is refused in words.

use std::process::Output;

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::guest_interfaces::origin::Origin;
use crate::harness::{App, HostCommand, STORE, command};

/// Handlers of `wasi:http` 0.2 and 0.3.
fn app() -> App {
    App::new()
        .module("kv2", STORE)
        .module(
            "env",
            "files = [\"one.txt\"]\nenvironment = { GREETING = \"hello\" }",
        )
        .file("one.txt", "one")
}

/// Sees that it works.
async fn works(guests: &Guests) {
    guests.ok("kv2/set", &[("key", "k"), ("value", "v")]).await;
    let value = guests.ok("kv2/get", &[("key", "k")]).await;
    assert_eq!(value, json!("v"));
    // What the standard library asks of WASI 0.1, the adapter asks of WASI 0.2.
    let seen = guests.ok("env/env", &[]).await;
    assert_eq!(seen["env"], json!({"GREETING": "hello"}));
    let content = guests.ok("env/file", &[("path", "/one.txt")]).await;
    assert_eq!(content, json!("one"));
    let error = guests.error("env/write", &[("path", "/one.txt")]).await;
    assert_ne!(error, "");
    guests.ok("env/random", &[]).await;
    guests.ok("env/clock", &[]).await;
}

#[tokio::test]
async fn a_core_module_runs_as_a_component_does() {
    let guests = Guests::start(app());
    works(&guests).await;
    // A request is a transaction here, too.
    let increments = (0..8).map(|_| guests.ok("kv2/increment", &[("key", "count")]));
    let mut counts: Vec<_> = futures::future::join_all(increments)
        .await
        .iter()
        .map(|count| count.as_i64().expect("a number"))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, Vec::from_iter(1..=8));
}

#[tokio::test]
async fn a_core_module_sends_requests() {
    let origin = Origin::start().await;
    let hosts = format!(
        "allowed_outbound_hosts = [\"http://{}\"]",
        origin.authority()
    );
    let guests = Guests::start(App::new().module("outbound2", &hosts));
    let url = origin.url("hello");
    let answer = guests.ok("outbound2/fetch", &[("url", &url)]).await;
    assert_eq!(answer["status"], 200);
}

#[tokio::test]
async fn a_core_module_is_compiled_ahead_of_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let app = app();
    let output = compile(&app, folder.path());
    assert!(output.status.success(), "{output:?}");
    let compiled = folder.path().to_string_lossy().into_owned();
    let command = app.command().args(&["--compiled-dir", &compiled]);
    let guests = Guests::start_command(command);
    works(&guests).await;
    let log = guests.host.log();
    let now: Vec<_> = log
        .iter()
        .filter(|line| line.contains("compiled now"))
        .collect();
    assert_eq!(now, [""; 0]);
}

/// `spindrift compile`, run to its end.
fn compile(app: &App, folder: &std::path::Path) -> Output {
    command("compile")
        .args(["-f", &app.write().to_string_lossy(), "-o"])
        .arg(folder)
        .output()
        .expect("the binary starts")
}

/// A section of less than 128 bytes.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("a short section");
    [&[id, length][..], content].concat()
}

fn name(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    [&[length][..], name.as_bytes()].concat()
}

/// A module that exports a function of that name, which does nothing.
fn exporting(export: &str) -> Vec<u8> {
    let sections = [
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(7, &[&[1][..], &name(export), &[0, 0]].concat()),
        section(10, &[1, 2, 0, 0x0b]),
    ];
    [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat()
}

/// The words that every command has for it, and where the manifest names the file.
#[tokio::test]
async fn modules_that_cannot_be_run_are_refused_in_words() {
    let other = exporting("other");
    let cut = other[..other.len() - 1].to_vec();
    for (wasm, part) in [
        (exporting("handle-http-request"), "is a module for Spin 1"),
        (exporting("_start"), "is a command"),
        (other, "says nothing of an HTTP handler"),
        (cut, "is damaged"),
    ] {
        let app = || {
            App::with_manifest(
                "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"old\"\n\
                 [component.old]\nsource = \"old.wasm\"\n",
            )
            .file("old.wasm", &wasm)
        };
        let parts = ["spin.toml:8: ", "component 'old'", "old.wasm", part];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = compile(&app(), folder.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let compiled = String::from_utf8_lossy(&output.stderr).into_owned();
        for said in [refusal(app().command()), compiled] {
            for part in parts {
                assert!(said.contains(part), "no {part:?} in:\n{said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
    }
}

fn refusal(command: HostCommand) -> String {
    let refusal = command.refuse();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    refusal.stderr
}
