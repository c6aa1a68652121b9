//! Flags that are refused. Each of them is in the unit tests of the command line.

use crate::harness::{App, HostCommand, Refusal};

/// The refusal of a command line, which ends with 2.
fn misuse(args: &[&str]) -> Refusal {
    let refusal = HostCommand::bare().args(args).refuse();
    assert_eq!(refusal.code, Some(2), "{refusal:?}");
    assert_eq!(refusal.stdout, "");
    refusal
}

#[tokio::test]
async fn a_flag_of_spin_up_that_means_nothing_here_is_refused_with_the_reason() {
    for (args, parts) in [
        (&["--log-dir", "/tmp"][..], ["--log-dir", "standard error"]),
        (
            &["--sqlite", "@migration.sql"],
            ["--sqlite", "key-value store"],
        ),
        (&["--key-value", "k=v"], ["--key-value", "in memory"]),
        (
            &["-f", "ghcr.io/x/y:1", "--build"],
            ["--build", "has been built before it was pushed"],
        ),
        (
            &["-f", "x/y:1"],
            ["there is no such file or folder", "docker.io/x/y:1"],
        ),
        (&["--direct-mounts"], ["--direct-mounts", "copy"]),
    ] {
        let refusal = misuse(args);
        for part in parts {
            assert!(
                refusal.stderr.contains(part),
                "no {part:?} in:\n{}",
                refusal.stderr
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_flag_and_a_malformed_value_are_quoted() {
    for (args, part) in [
        (&["--no-such-flag"][..], "'--no-such-flag'"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--request-timeout", "soon"], "soon"),
        (&["--max-value-size", "big"], "big"),
        (&["--max-instance-reuse-count", "0"], "at least 1"),
        (&["--env", "novalue"], "KEY=VALUE"),
        (&["--tls-cert", "cert.pem"], "--tls-key"),
        (&["--log-level", "loud"], "loud"),
    ] {
        let refusal = misuse(args);
        assert!(
            refusal.stderr.contains(part),
            "no {part:?} in:\n{}",
            refusal.stderr
        );
    }
}

#[tokio::test]
async fn an_environment_variable_that_means_nothing_here_is_a_warning() {
    let host = App::new()
        .guest("trouble", "")
        .command()
        .env("SPIN_LOG_DIR", "/tmp")
        .start();
    host.logged(&["WARN", "SPIN_LOG_DIR"]);
    host.http1().get("/trouble/count").await.expect(200);
}
