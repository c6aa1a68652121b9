//! Environment variables. Those of this process must not be changed while other tests run, so that parsing happens in a
//! process of its own.

use std::collections::BTreeMap;
use std::process::{Command as Process, Output};

use clap::CommandFactory;

use super::parsing::{unwrap_up, up};
use crate::cli::{Cli, parse};

/// Which environment variable stands for which flag.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("build", "SPIN_ALWAYS_BUILD"),
    ("component-id", "SPIN_COMPONENTS_TO_RETAIN"),
    ("runtime-config-file", "RUNTIME_CONFIG_FILE"),
    ("cache-dir", "SPINDRIFT_CACHE_DIR"),
    ("compiled-dir", "SPINDRIFT_COMPILED_DIR"),
    ("offline", "SPINDRIFT_OFFLINE"),
    ("disable-cache", "DISABLE_WASMTIME_CACHE"),
    ("listen", "SPIN_HTTP_LISTEN_ADDR"),
    ("admin-listen", "SPINDRIFT_ADMIN_LISTEN"),
    ("tls-cert", "SPIN_TLS_CERT"),
    ("tls-key", "SPIN_TLS_KEY"),
    (
        "idle-instance-timeout",
        "SPIN_HTTP_IDLE_INSTANCE_TIMEOUT_SECS",
    ),
    ("max-instance-memory", "SPIN_MAX_INSTANCE_MEMORY"),
    ("workers", "SPINDRIFT_WORKERS"),
    ("max-request-body", "SPINDRIFT_MAX_REQUEST_BODY"),
    ("max-value-size", "SPINDRIFT_MAX_VALUE_SIZE"),
    ("max-key-size", "SPINDRIFT_MAX_KEY_SIZE"),
    ("max-total-size", "SPINDRIFT_MAX_TOTAL_SIZE"),
    ("memory-budget", "SPINDRIFT_MEMORY_BUDGET"),
    (
        "max-concurrent-requests",
        "SPINDRIFT_MAX_CONCURRENT_REQUESTS",
    ),
    ("body-grace", "SPINDRIFT_BODY_GRACE"),
    ("min-body-rate", "SPINDRIFT_MIN_BODY_RATE"),
    ("max-arriving-bodies", "SPINDRIFT_MAX_ARRIVING_BODIES"),
    ("answer-grace", "SPINDRIFT_ANSWER_GRACE"),
    ("min-answer-rate", "SPINDRIFT_MIN_ANSWER_RATE"),
    ("max-connections", "SPINDRIFT_MAX_CONNECTIONS"),
    ("header-timeout", "SPINDRIFT_HEADER_TIMEOUT"),
    ("keep-alive-timeout", "SPINDRIFT_KEEP_ALIVE_TIMEOUT"),
    ("http1-max-buf-size", "SPIN_HTTP1_MAX_BUF_SIZE"),
    ("shutdown-delay", "SPINDRIFT_SHUTDOWN_DELAY"),
    ("shutdown-timeout", "SPINDRIFT_SHUTDOWN_TIMEOUT"),
    ("read-consistency", "SPINDRIFT_READ_CONSISTENCY"),
    ("replicated", "SPINDRIFT_REPLICATED"),
    ("peer-listen", "SPINDRIFT_PEER_LISTEN"),
    ("advertise", "SPINDRIFT_ADVERTISE"),
    ("join", "SPINDRIFT_JOIN"),
    ("bootstrap", "SPINDRIFT_BOOTSTRAP"),
    ("voters", "SPINDRIFT_VOTERS"),
    ("read-lease", "SPINDRIFT_READ_LEASE"),
    ("election-timeout", "SPINDRIFT_ELECTION_TIMEOUT"),
    ("heartbeat-interval", "SPINDRIFT_HEARTBEAT_INTERVAL"),
    ("snapshot-after", "SPINDRIFT_SNAPSHOT_AFTER"),
    ("max-log-bytes", "SPINDRIFT_MAX_LOG_BYTES"),
    ("evict-after", "SPINDRIFT_EVICT_AFTER"),
    ("leader-wait", "SPINDRIFT_LEADER_WAIT"),
    ("machine", "SPINDRIFT_MACHINE"),
    ("peer-protocol-max", "SPINDRIFT_PEER_PROTOCOL_MAX"),
    ("cluster-token-file", "SPINDRIFT_CLUSTER_TOKEN_FILE"),
    ("peer-tls-cert", "SPINDRIFT_PEER_TLS_CERT"),
    ("peer-tls-key", "SPINDRIFT_PEER_TLS_KEY"),
    ("peer-tls-ca", "SPINDRIFT_PEER_TLS_CA"),
    ("queue-timeout", "SPINDRIFT_QUEUE_TIMEOUT"),
    ("log-format", "SPINDRIFT_LOG_FORMAT"),
    ("log-level", "RUST_LOG"),
    ("guest-log-rate", "SPINDRIFT_GUEST_LOG_RATE"),
    ("log-buffer", "SPINDRIFT_LOG_BUFFER"),
];

#[test]
fn environment_variables_are_these() {
    let command = Cli::command();
    let declared: BTreeMap<_, _> = command
        .find_subcommand("up")
        .unwrap()
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg.get_env()?.to_str()?)))
        .collect();
    assert_eq!(declared, ENVIRONMENT.iter().copied().collect());
}

/// Runs this test program again, with `environment` alone, so that it parses `spindrift up` with `flags`.
fn up_with(environment: &[(&str, &str)], flags: &str) -> Output {
    Process::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", "/home/me")
        .env("TEST_UP_FLAGS", flags)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The test below, without the crate's name.
const CHILD: &str = "cli::tests::environment::child";

#[test]
#[ignore = "only run by the tests of environment variables"]
fn child() {
    let flags = std::env::var("TEST_UP_FLAGS").unwrap_or_default();
    let up = parse(
        ["spindrift", "up"]
            .into_iter()
            .chain(flags.split_whitespace()),
    )
    .map(unwrap_up);
    println!("{:#?}", up.unwrap_or_else(|error| panic!("{error}")));
}

/// The flags that a process has parsed.
fn shown(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let start = text.find("UpArgs {").unwrap_or_else(|| panic!("{text}"));
    text[start..text.find("\n}").unwrap()].to_owned()
}

#[test]
fn the_environment_sets_what_flags_do_not() {
    let environment = [
        ("SPIN_ALWAYS_BUILD", "1"),
        ("SPIN_COMPONENTS_TO_RETAIN", "get,put"),
        ("RUNTIME_CONFIG_FILE", "/runtime-config.toml"),
        ("DISABLE_WASMTIME_CACHE", "0"),
        ("SPIN_HTTP_LISTEN_ADDR", "0.0.0.0:80"),
        ("SPIN_TLS_CERT", "c.pem"),
        ("SPIN_TLS_KEY", "k.pem"),
        ("SPIN_HTTP_IDLE_INSTANCE_TIMEOUT_SECS", "7"),
        ("SPIN_MAX_INSTANCE_MEMORY", "33554432"),
        ("SPIN_HTTP1_MAX_BUF_SIZE", "16384"),
        ("SPINDRIFT_MAX_CONNECTIONS", "77"),
        ("SPINDRIFT_REPLICATED", "true"),
        ("SPINDRIFT_BOOTSTRAP", "no"),
        ("SPINDRIFT_JOIN", "node-1:7000, node-2:7000"),
        ("SPINDRIFT_READ_LEASE", "0"),
        ("SPINDRIFT_ELECTION_TIMEOUT", "1s"),
        ("SPINDRIFT_READ_CONSISTENCY", "stale"),
        ("RUST_LOG", "warn,spindrift=debug"),
    ];
    // What is expected is what the same values give as flags.
    let flags = "--build -c get -c put --runtime-config-file /runtime-config.toml --listen 0.0.0.0:80 --tls-cert c.pem --tls-key k.pem \
                 --idle-instance-timeout 7s --max-instance-memory 32MiB --http1-max-buf-size 16KiB --max-connections 77 \
                 --replicated --join node-1:7000 --join node-2:7000 --read-lease=false --election-timeout 1000ms \
                 --read-consistency stale --log-level warn,spindrift=debug";
    let (from_environment, from_flags) = (up_with(&environment, ""), up_with(&[], flags));
    assert!(
        from_environment.status.success(),
        "{}",
        String::from_utf8_lossy(&from_environment.stderr)
    );
    assert_eq!(shown(&from_environment), shown(&from_flags));

    let both = shown(&up_with(
        &environment,
        "--listen 127.0.0.1:9 --component-id docs --log-level error",
    ));
    assert!(
        both.contains("127.0.0.1:9") && !both.contains("0.0.0.0:80"),
        "{both}"
    );
    assert!(
        both.contains("\"docs\"") && !both.contains("\"put\""),
        "{both}"
    );
    assert!(both.contains("\"error\""), "{both}");
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let empty: Vec<_> = ENVIRONMENT.iter().map(|(_, name)| (*name, "")).collect();
    let (with, without) = (up_with(&empty, ""), up_with(&[], ""));
    assert!(with.status.success(), "{with:?}");
    assert_eq!(shown(&with), shown(&without));
    assert!(up(&["-c", " get , put ", "-c", ""]).components() == ["get", "put"]);
}

#[test]
fn a_bad_variable_is_named_unless_an_argument_is_at_fault() {
    let refused = |variable: &str, value: &str, flags: &str| {
        let output = up_with(&[(variable, value)], flags);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout)
    };
    for (variable, flag) in [
        ("SPIN_MAX_INSTANCE_MEMORY", "--max-instance-memory"),
        ("SPINDRIFT_READ_CONSISTENCY", "--read-consistency"),
        ("SPINDRIFT_REPLICATED", "--replicated"),
    ] {
        let text = refused(variable, "lots", "");
        let tip = format!("the value comes from the environment variable {variable}");
        for part in [flag, "lots", &tip] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
    let flags = "--max-instance-memory many";
    let text = refused("SPIN_MAX_INSTANCE_MEMORY", "lots", flags);
    assert!(
        text.contains("many") && !text.contains("SPIN_MAX_INSTANCE_MEMORY"),
        "{text}"
    );
}
