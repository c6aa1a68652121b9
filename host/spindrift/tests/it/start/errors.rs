//! Errors of the start that have a cause: each says it once.

use std::fs;
use std::os::unix::fs::symlink;

use super::refusal;
use crate::harness::{App, HostCommand, STORE, assert_said_once, command as spindrift};

const MISSING: &str = "No such file or directory (os error 2)";

/// Checks that the start is refused with all of `parts`, and says the cause once.
fn assert_caused(command: HostCommand, cause: &str, parts: &[&str]) {
    let refusal = refusal(command);
    for part in parts {
        assert!(refusal.stderr.contains(part), "no {part:?}: {refusal:?}");
    }
    assert_eq!(refusal.stderr.matches(cause).count(), 1, "{refusal:?}");
}

fn app() -> App {
    App::new().guest("kv3", STORE)
}

#[tokio::test]
async fn what_is_missing_is_said_to_be_so_once() {
    let folder = tempfile::tempdir().expect("a folder");
    // A path that is there, so that it is no reference, and leads nowhere.
    let manifest = folder.path().join("spin.toml");
    symlink("nowhere", &manifest).expect("a link");
    assert_caused(
        HostCommand::new(folder.path()),
        MISSING,
        &["cannot read", "spin.toml"],
    );
    let missing = app().path().join("missing");
    let missing = missing.to_string_lossy();
    assert_caused(
        app().command().args(&["--runtime-config-file", &missing]),
        MISSING,
        &["runtime configuration"],
    );
    let cluster = [
        "--replicated",
        "--bootstrap",
        "--peer-listen",
        "127.0.0.1:0",
    ];
    assert_caused(
        app()
            .command()
            .args(&cluster)
            .args(&["--cluster-token-file", &missing]),
        MISSING,
        &["--cluster-token-file"],
    );
    assert_caused(
        app().command().args(&cluster).args(&[
            "--peer-tls-cert",
            &missing,
            "--peer-tls-key",
            &missing,
            "--peer-tls-ca",
            &missing,
        ]),
        MISSING,
        &["--peer-tls-"],
    );
    assert_caused(
        app()
            .command()
            .args(&["--tls-cert", &missing, "--tls-key", &missing]),
        MISSING,
        &["--tls-cert"],
    );
}

#[tokio::test]
async fn what_is_no_folder_is_said_to_be_so_once() {
    let app = app().file("file", "");
    let cache = app.path().join("file/cache");
    assert_caused(
        app.command()
            .default_cache()
            .args(&["--cache-dir", &cache.to_string_lossy()]),
        "Not a directory (os error 20)",
        &["file/cache"],
    );
}

#[test]
fn commands_say_the_cause_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let token = folder.path().join("token");
    fs::write(&token, "the-secret-of-all-nodes").expect("a file");
    for (name, file) in [("status", &missing), ("status", &token)] {
        let output = spindrift(name)
            // A port on which nobody listens.
            .args(["--node", "127.0.0.1:1", "--cluster-token-file"])
            .arg(file)
            .output()
            .expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("os error"), "{stderr}");
        assert_eq!(stderr.matches("os error").count(), 1, "{stderr}");
        assert_said_once(&stderr);
    }
}
