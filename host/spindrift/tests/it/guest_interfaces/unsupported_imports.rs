//! Interfaces that Spin offers and this host does not: a component that imports them starts, and a call fails in words.

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::harness::App;

/// What the manifest of such a component grants under Spin.
const GRANTS: &str = "sqlite_databases = [\"default\"]\nai_models = [\"llama2-chat\"]";

fn start() -> Guests {
    Guests::start(App::new().guest("unoffered", GRANTS).guest("kv3", ""))
}

#[tokio::test]
async fn the_start_says_once_for_a_component_what_it_imports_beyond_the_host() {
    let guests = start();
    assert_eq!(guests.ok("unoffered/nothing", &[]).await, json!(null));
    let log = guests.host.log();
    let lines: Vec<_> = log
        .iter()
        .filter(|line| line.contains("does not offer"))
        .collect();
    let [line] = lines[..] else {
        panic!("not one line: {lines:?}");
    };
    for part in [
        "component 'unoffered'",
        "fermyon:spin/llm@2.0.0",
        "fermyon:spin/redis,",
        "fermyon:spin/sqlite@2.0.0",
        "spin:mqtt/mqtt@3.0.0",
        "spin:mysql/mysql@3.0.0",
        "spin:redis/redis@3.0.0",
        "spin:sqlite/sqlite@3.1.0",
        "wasi:clocks/monotonic-clock@0.2.0-rc-2023-10-18",
    ] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    for part in ["sqlite_databases", "ai_models"] {
        let grants = |line: &&String| line.contains(part) && line.contains("`unoffered`");
        assert_eq!(log.iter().filter(grants).count(), 1, "{part}: {log:?}");
    }
}

#[tokio::test]
async fn a_call_answers_with_the_error_of_its_interface() {
    let guests = start();
    for (operation, error, interface) in [
        (
            "llm",
            "Error::RuntimeError",
            "`infer` of fermyon:spin/llm@2.0.0",
        ),
        (
            "embeddings",
            "Error::RuntimeError",
            "`generate-embeddings` of fermyon:spin/llm@2.0.0",
        ),
        (
            "sqlite",
            "Error::Io",
            "open-async` of spin:sqlite/sqlite@3.1.0",
        ),
        ("sqlite2", "Error::Io", "open` of fermyon:spin/sqlite@2.0.0"),
        ("redis", "Error::Other", "open` of spin:redis/redis@3.0.0"),
        ("mysql", "Error::Other", "open` of spin:mysql/mysql@3.0.0"),
        ("mqtt", "Error::Other", "open` of spin:mqtt/mqtt@3.0.0"),
    ] {
        let said = guests.error(&format!("unoffered/{operation}"), &[]).await;
        for part in [error, interface, "does not offer"] {
            assert!(said.contains(part), "{operation}: no {part:?} in {said}");
        }
    }
}

#[tokio::test]
async fn a_call_without_a_place_for_words_traps_and_the_log_says_which() {
    let guests = start();
    for (operation, interface) in [
        ("redis1", "`incr` of fermyon:spin/redis "),
        (
            "clock",
            "`now` of wasi:clocks/monotonic-clock@0.2.0-rc-2023-10-18 ",
        ),
    ] {
        let answer = guests
            .answer(&format!("unoffered/{operation}"), &[], "")
            .await;
        assert_eq!(answer.status, 500, "{operation}: {answer:?}");
        // The first of the kind is logged in full, those after it are counted.
        if operation == "redis1" {
            guests.host.logged(&[interface, "does not offer"]);
        }
    }
    assert_eq!(guests.ok("unoffered/nothing", &[]).await, json!(null));
}
