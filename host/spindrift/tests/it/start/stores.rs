//! The runtime configuration: which stores there are, and their options.

use serde_json::json;

use super::assert_refused;
use crate::harness::{App, Host, HostCommand, STORE};

fn command(config: &str, settings: &str) -> HostCommand {
    let app = App::new()
        .guest("kv3", settings)
        .file("runtime.toml", config);
    let file = app.path().join("runtime.toml");
    app.command()
        .args(&["--runtime-config-file", &file.to_string_lossy()])
}

async fn set(host: &Host, store: &str, key: &str, value: &str) -> serde_json::Value {
    let path = format!("/kv3/set?store={store}&key={key}");
    host.http1().post(&path, value.to_owned()).await.expect(200)
}

#[tokio::test]
async fn stores_are_those_of_the_configuration_and_keep_apart() {
    let config = "[key_value_store.default]\ntype = \"local\"\n[key_value_store.sessions]\ntype = \"local\"\n";
    let host = command(config, "key_value_stores = [\"default\", \"sessions\"]").start();
    set(&host, "default", "k", "of default").await;
    set(&host, "sessions", "k", "of sessions").await;
    for (store, value) in [("default", "of default"), ("sessions", "of sessions")] {
        let read = host
            .http1()
            .get(&format!("/kv3/get?store={store}&key=k"))
            .await
            .expect(200);
        assert_eq!(read, json!({"ok": value}));
    }
}

#[tokio::test]
async fn a_store_has_limits_of_its_own() {
    let config = "[key_value_store.default]\ntype = \"local\"\n\
                  [key_value_store.small]\ntype = \"local\"\nmax_value_size = 10\nmax_key_size = 5\n";
    let host = command(config, "key_value_stores = [\"default\", \"small\"]").start();
    assert_eq!(
        set(&host, "small", "12345", "0123456789").await,
        json!({"ok": true})
    );
    for (key, value) in [("12345", "0123456789a"), ("123456", "0")] {
        let refused = set(&host, "small", key, value).await;
        assert!(
            refused["error"]
                .as_str()
                .is_some_and(|error| error.starts_with("other: ")),
            "{refused}"
        );
        assert_eq!(set(&host, "default", key, value).await, json!({"ok": true}));
    }
}

#[tokio::test]
async fn settings_of_spin_are_heeded_or_left_aside_with_a_warning() {
    let config = "state_dir = \"/var/spin\"\nmax_instance_memory = 33554432\n\
                  [outbound_http]\nconnection_pooling = true\nmax_connections = 10\n";
    let app = || {
        let app = App::new().guest("trouble", "");
        let app = app.file("runtime.toml", config);
        let file = app.path().join("runtime.toml");
        let args = ["--runtime-config-file", &file.to_string_lossy()];
        app.command().args(&args)
    };
    let host = app().start();
    for parts in [
        ["runtime.toml:1: `state_dir` is left aside", "WARN"],
        [":4: `connection_pooling` of [outbound_http]", "WARN"],
        [":5: `max_connections` of [outbound_http]", "WARN"],
    ] {
        host.logged(&parts);
    }
    let client = host.http1();
    client.get("/trouble/alloc?mb=16").await.expect(200);
    client.get("/trouble/alloc?mb=40").await.expect(500);
    // As with Spin, a flag or its environment variable wins.
    let host = app().env("SPIN_MAX_INSTANCE_MEMORY", "64MiB").start();
    host.http1().get("/trouble/alloc?mb=40").await.expect(200);
}

#[tokio::test]
async fn what_is_unknown_in_the_configuration_is_named() {
    for (config, parts) in [
        (
            "[key_value_store.default]\ntype = \"sqlite\"\n",
            ["runtime.toml:2: ", "\"sqlite\""],
        ),
        (
            "[key_value_store.default]\ntype = \"local\"\nmax_valeu_size = 1\n",
            ["max_valeu_size", "default"],
        ),
        (
            "[key_value_stores.default]\ntype = \"local\"\n",
            ["key_value_stores", "runtime.toml"],
        ),
        (
            "[key_value_store.default\n",
            ["runtime.toml:1: ", "not TOML"],
        ),
    ] {
        assert_refused(command(config, STORE), &parts);
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_named() {
    let command = App::new().guest("kv3", STORE).command();
    assert_refused(
        command.args(&["--runtime-config-file", "/no/such.toml"]),
        &["/no/such.toml"],
    );
}
