//! Started as SpinKube's operator starts it: its command line, its environment, and the runtime configuration that it makes
//! of a `SpinApp`, in which all values are strings.

use std::process::ExitStatus;

use serde_json::json;

use super::assert_refused;
use crate::harness::{App, HostCommand, STORE, command as spindrift, eventually};

/// What every configuration begins with: variables come from the environment.
const PROVIDER: &str = "[[config_provider]]\ntype = 'env'\nprefix = 'SPIN_VARIABLE_'\n\n";

/// A replicated store with the options of a `SpinApp` in both styles of quotes, sorted as maps are written. A secret that
/// was made from a file ends with its last line.
const REPLICATED: &str = "[key_value_store]\n\
                          [key_value_store.default]\n\
                          cluster_token = \"correct-horse-battery\\n\"\n\
                          evict_after = '45s'\n\
                          leader_wait = \"3s\"\n\
                          read_lease = 'true'\n\
                          type = 'replicated'\n\
                          voters = \"3\"\n";

/// The operator's command line with a free port and a manifest in place of its own, and `config` as the file.
fn command(config: &str) -> HostCommand {
    let variables = r#"variables = { greeting = "{{ greeting }}" }"#;
    let app = App::new()
        .guest("kv3", STORE)
        .guest("vars3", variables)
        .guest("trouble", "")
        .guest("env", "")
        .text("[variables]\ngreeting = { required = true }")
        .file("runtime-config.toml", format!("{PROVIDER}{config}"));
    let file = app.path().join("runtime-config.toml");
    let from = app.path().to_string_lossy().into_owned();
    app.command_with(&[
        "--listen",
        "127.0.0.1:0",
        "-f",
        &from,
        "--runtime-config-file",
        &file.to_string_lossy(),
        "--component-id",
        "kv3",
        "--component-id",
        "vars3",
        "--component-id",
        "trouble",
    ])
    .env("SPIN_HTTP_LISTEN_ADDR", "0.0.0.0:80")
    .env("SPIN_MAX_INSTANCE_MEMORY", "33554432")
    .env("SPIN_COMPONENTS_TO_RETAIN", "kv3,vars3,trouble")
    .env("SPIN_VARIABLE_GREETING", "hello from a SpinApp")
    .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    .env(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://collector:4318/v1/traces",
    )
}

#[tokio::test]
async fn the_command_line_of_the_operator_starts() {
    let host = command("[key_value_store.default]\ntype = 'local'\nmax_value_size = '5'\n").start();
    // The flag, and not the environment beside it.
    assert!(host.address().ip().is_loopback(), "{}", host.address());
    let client = host.http1();
    let set = client.post("/kv3/set?key=k", "value").await;
    assert_eq!(set.expect(200), json!({"ok": true}));
    let set = client.post("/kv3/set?key=k", "values").await.expect(200);
    assert!(set["error"].is_string(), "{set}");
    // The memory that the environment allows.
    client.get("/trouble/alloc?mb=16").await.expect(200);
    client.get("/trouble/alloc?mb=40").await.expect(500);
    let greeting = client.get("/vars3/get?name=greeting").await;
    assert_eq!(greeting.expect(200), json!({"ok": "hello from a SpinApp"}));
    // Only the components that the SpinApp names are there.
    client.get("/env/list?path=/").await.expect(404);
    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ] {
        let line = host.logged(&[&format!("{name} is set")]);
        assert!(
            line.contains("WARN") && line.contains("nothing is exported"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_replicated_store_needs_no_more_than_the_operators_file() {
    // Outside of a pod nobody says who forms the cluster.
    let host = command(REPLICATED)
        .env("SPINDRIFT_BOOTSTRAP", "true")
        .env("SPINDRIFT_PEER_LISTEN", "127.0.0.1:0")
        .start();
    let client = host.http1();
    let set = client.post("/kv3/set?key=k", "value").await;
    assert_eq!(set.expect(200), json!({"ok": true}));
    // It has caught up before it says so.
    eventually("it is ready", async || {
        let ready = client.get("/.well-known/spindrift/ready").await;
        (ready.status == 200 && ready.text() == "ok\n").then_some(())
    })
    .await;
    // The secret is the one without the end of its line.
    let line = host.logged(&["listening for other nodes on "]);
    let (_, peers) = line.rsplit_once(' ').expect("an address");
    assert_eq!(status(peers, "correct-horse-battery").code(), Some(0));
    assert_eq!(status(peers, "another-horse-battery").code(), Some(1));
    assert!(!host.log().join("\n").contains("correct-horse"));
}

/// How `spindrift status` ends with that secret.
fn status(node: &str, token: &str) -> ExitStatus {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), token).expect("the secret");
    let output = spindrift("status")
        .args(["--node", node, "--cluster-token-file"])
        .arg(file.path())
        .output();
    output.expect("the binary starts").status
}

#[tokio::test]
async fn databases_and_models_of_a_spin_app_are_left_aside_with_a_warning() {
    let config = "[sqlite_database]\n[sqlite_database.default]\ntype = 'spin'\n[llm_compute]\ntype = 'spin'\n";
    let host = command(config).start();
    for parts in [
        [":6: [sqlite_database.default] is left aside", "WARN"],
        [":8: [llm_compute] is left aside", "WARN"],
    ] {
        host.logged(&parts);
    }
}

#[tokio::test]
async fn what_a_spin_app_may_ask_for_and_there_is_not_is_refused_by_name() {
    for (config, parts) in [
        (
            "[key_value_store]\n[key_value_store.default]\ntype = 'redis'\nurl = 'redis://localhost:6379'\n",
            ["runtime-config.toml:7: ", "\"redis\" are not supported"],
        ),
        // A key that the secret does not have is an empty value.
        (
            "[key_value_store]\n[key_value_store.default]\ncluster_token = ''\ntype = 'replicated'\n",
            ["runtime-config.toml:7: ", "`cluster_token`: it has 0 bytes"],
        ),
        (
            "[key_value_store]\n[key_value_store.default]\ntype = 'replicated'\nvoters = 'many'\n",
            ["runtime-config.toml:8: ", "`voters`: \"many\""],
        ),
    ] {
        assert_refused(command(config), &parts);
    }
    // Nothing says where the other nodes are.
    assert_refused(command(REPLICATED), &["--join", "Kubernetes"]);
}
