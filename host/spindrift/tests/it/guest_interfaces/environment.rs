//! What a guest sees of its surroundings, besides files: environment variables, randomness, clocks, standard input. The
//! guest asks WASI 0.2 and 0.3.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::App;

fn start(settings: &str, args: &[&str]) -> Guests {
    Guests::start_command(App::new().guest("env", settings).command().args(args))
}

#[tokio::test]
async fn the_environment_is_the_manifests_and_nothing_of_the_hosts() {
    let settings = r#"environment = { GREETING = "hello", EMPTY = "", TEXT = "é = {{ }}" }"#;
    let command = App::new()
        .guest("env", settings)
        .command()
        .env("OF_THE_HOST", "1");
    let guests = Guests::start_command(command);
    let seen = guests.ok("env/env", &[]).await;
    let expected = json!({"GREETING": "hello", "EMPTY": "", "TEXT": "é = {{ }}"});
    assert_eq!(seen["env"], expected, "WASI 0.2");
    assert_eq!(seen["env3"], expected, "WASI 0.3");
    assert_eq!(seen["args"], seen["args3"]);
}

#[tokio::test]
async fn the_command_line_adds_to_the_environment_and_goes_before_the_manifest() {
    let guests = start(
        r#"environment = { GREETING = "hello", KEPT = "1" }"#,
        &[
            "--env",
            "GREETING=good day",
            "-e",
            "ADDED=a=b",
            "--env",
            "EMPTY=",
        ],
    );
    let expected = json!({"GREETING": "good day", "KEPT": "1", "ADDED": "a=b", "EMPTY": ""});
    let seen = guests.ok("env/env", &[]).await;
    assert_eq!(seen["env"], expected, "WASI 0.2");
    assert_eq!(seen["env3"], expected, "WASI 0.3");
}

#[tokio::test]
async fn there_is_no_environment_by_default() {
    let guests = start("", &[]);
    let seen = guests.ok("env/env", &[]).await;
    assert_eq!((&seen["env"], &seen["env3"]), (&json!({}), &json!({})));
}

#[tokio::test]
async fn random_numbers_differ_from_request_to_request_and_instance_to_instance() {
    // With one request an instance, no instance may begin where another did.
    for reuse in ["1", "128"] {
        let guests = start("", &["--max-instance-reuse-count", reuse]);
        let (first, second) = (
            guests.ok("env/random", &[]).await,
            guests.ok("env/random", &[]).await,
        );
        let mut names = vec!["random3", "insecure3"];
        // A seed stays what it is while an instance lives.
        if reuse == "1" {
            names.extend(["seed3", "random"]);
        }
        for name in names {
            assert_ne!(
                first[name], second[name],
                "{name} with {reuse} requests an instance"
            );
        }
        let digits = first["random3"].as_str().map(str::len);
        assert_eq!(digits, Some(32), "16 bytes: {first}");
    }
}

#[tokio::test]
async fn clocks_tell_the_time_and_go_on() {
    let guests = start("", &[]);
    let seconds = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|since| since.as_secs())
    };
    let before = seconds().expect("a time after 1970");
    let clock = guests.ok("env/clock", &[]).await;
    let after = seconds().expect("a time after 1970");
    for name in ["wall", "wall3"] {
        let wall = clock[name].as_u64().expect("seconds");
        assert!(
            (before..=after).contains(&wall),
            "{name}: {clock}, not in {before}..={after}"
        );
    }
    for name in ["elapsed", "elapsed3"] {
        let elapsed = clock[name].as_u64().expect("nanoseconds");
        assert!(elapsed < 60_000_000_000, "{name}: {clock}");
    }
}

#[tokio::test]
async fn standard_input_is_empty() {
    let guests = start("", &[]);
    for operation in ["env/stdin", "env/stdin3"] {
        assert_eq!(
            guests.ok(operation, &[]).await,
            Value::from(""),
            "{operation}"
        );
    }
}
