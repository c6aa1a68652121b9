//! Replicated stores: what is refused before there is a cluster, and the commands that ask a node. Each flag and each option
//! is in the unit tests of the command line and of the runtime configuration.

use std::net::TcpListener;
use std::process::{Command, Output};

use tokio::sync::mpsc;

use super::{assert_refused, refusal};
use crate::harness::{App, HostCommand, STORE, within};

/// A host with this runtime configuration and these flags.
fn command(config: &str, flags: &[&str]) -> HostCommand {
    let app = App::new().guest("kv3", STORE).file("runtime.toml", config);
    let file = app.path().join("runtime.toml");
    app.command()
        .args(&["--runtime-config-file", &file.to_string_lossy()])
        .args(flags)
}

const LOCAL: &str = "[key_value_store.default]\ntype = \"local\"\n";
const REPLICATED: &str = "[key_value_store.default]\ntype = \"replicated\"\n";

#[tokio::test]
async fn a_flag_of_a_cluster_is_refused_while_the_store_is_local() {
    assert_refused(
        command(LOCAL, &["--join", "127.0.0.1:7000"]),
        &["--join", "no store is replicated", "type = \"replicated\""],
    );
    let from_environment = command(LOCAL, &[]).env("SPINDRIFT_VOTERS", "3");
    assert_refused(from_environment, &["--voters", "SPINDRIFT_VOTERS"]);
    assert_refused(
        command(LOCAL, &["--replicated", "--bootstrap"]),
        &["runtime.toml:2: ", "--replicated", "all replicated"],
    );
}

#[tokio::test]
async fn a_node_that_could_find_no_cluster_does_not_start() {
    assert_refused(
        command(REPLICATED, &[]),
        &["--join HOST:PORT", "--bootstrap"],
    );
    assert_refused(
        command(
            REPLICATED,
            &["--bootstrap", "--peer-listen", "0.0.0.0:7000"],
        ),
        &["0.0.0.0:7000", "--advertise HOST:7000"],
    );
}

/// A version that sends the cluster token in clear closes the connection when it sees TLS. It may hold the cluster's data, so a
/// node that may form a cluster waits for it.
#[tokio::test]
async fn no_cluster_is_formed_beside_a_process_that_closes_the_connection() {
    let (accepted, mut connections) = mpsc::unbounded_channel();
    let closing = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closing.local_addr().expect("an address").to_string();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for connection in closing.incoming() {
            drop(connection);
            accepted.send(()).ok();
        }
    });
    let app = App::new()
        .guest("kv3", STORE)
        .file("runtime.toml", REPLICATED)
        .file("token", "a-secret-of-all-nodes\n");
    let [config, token] = ["runtime.toml", "token"].map(|name| app.path().join(name));
    let command = app.command().args(&[
        "--runtime-config-file",
        &config.to_string_lossy(),
        "--cluster-token-file",
        &token.to_string_lossy(),
        "--peer-listen",
        "127.0.0.1:0",
        "--bootstrap",
        "--join",
        &address,
    ]);
    let host = command.start_listening();
    // Three for each time that it looks for a cluster. It would form one after the first second.
    within("it looks again and again", async {
        for _ in 0..3 * 24 {
            connections.recv().await.expect("a connection");
        }
    })
    .await;
    let ready = host.http1().get("/.well-known/spindrift/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.text());
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused_with_their_line() {
    let flags = ["--bootstrap"];
    for (options, parts) in [
        ("voters = \"4\"\n", ["runtime.toml:3: ", "voters is 4"]),
        (
            "election_timeout = \"1h\"\n",
            ["runtime.toml:3: ", "\"1h\" is not a duration"],
        ),
        (
            "[key_value_store.sessions]\ntype = \"local\"\n",
            ["runtime.toml:4: ", "[key_value_store.sessions]"],
        ),
    ] {
        assert_refused(command(&format!("{REPLICATED}{options}"), &flags), &parts);
    }
    let token = App::new().guest("kv3", STORE).file("token", "secret\n");
    let file = token.path().join("token");
    let refusal = refusal(command(
        REPLICATED,
        &[
            "--bootstrap",
            "--cluster-token-file",
            &file.to_string_lossy(),
        ],
    ));
    assert!(refusal.stderr.contains("16 to 2048"), "{refusal:?}");
    assert!(!refusal.stderr.contains("secret\n"), "{refusal:?}");
}

/// Another command than `up`, to its end.
fn spindrift(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spindrift"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary starts")
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named_and_the_exit_code_is_1() {
    // Nobody listens on a port that has just been given back.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let node = free.expect("a free port").to_string();
    for arguments in [
        &["status", "--node", &node][..],
        &["status", "--json", "--node", &node],
        &["recover", "--from", &node],
        &["recover", "--accept-data-loss", "--from", &node],
    ] {
        let output = spindrift(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("Error: ") && stderr.contains(&node),
            "{arguments:?}: {stderr}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn wrong_usage_of_a_command_is_exit_code_2() {
    for (arguments, part) in [
        (&["status", "--node", "nowhere"][..], "\"nowhere\""),
        (&["recover"], "--from"),
        (
            &["recover", "--from", "127.0.0.1:7000", "--force"],
            "--force",
        ),
    ] {
        let output = spindrift(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
}
