//! What one request may read, write and list.

use serde_json::json;

use super::detail;
use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

/// In words, what is refused beyond 16 MiB.
const TOO_LARGE: &str = "transaction too large";

const LIMIT: &str = "16777216";

fn start() -> Guests {
    let app = App::new()
        .guest("kv2", STORE)
        .guest("kv3", STORE)
        .guest("wasikv", STORE)
        .file(
            "runtime-config.toml",
            "[key_value_store.default]\ntype = \"local\"\nmax_key_size = \"256KiB\"\n",
        );
    let config = app.path().join("runtime-config.toml");
    let config = config.to_string_lossy().into_owned();
    let command = app.command();
    Guests::start_command(command.args(&[
        "--runtime-config-file",
        &config,
        "--max-request-body",
        "8MiB",
        "--max-instance-memory",
        "128MiB",
    ]))
}

fn is_too_large(error: &str) -> bool {
    error.contains(TOO_LARGE) && error.contains(LIMIT)
}

#[tokio::test]
async fn values_that_a_request_reads_count() {
    let guests = start();
    let names: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    for name in &names {
        let value = "v".repeat(1 << 20);
        guests
            .ok_with_body("wasikv/set", &[("key", name)], value)
            .await;
    }
    let many = |count: usize| -> Vec<(&str, &str)> {
        let names = names.iter().take(count);
        names.map(|name| ("key", name.as_str())).collect()
    };
    guests.ok("wasikv/get-many", &many(2)).await;
    let error = guests.error("wasikv/get-many", &many(20)).await;
    assert!(is_too_large(&error), "{error}");
    // One value again and again is read once, and is in the answer each time.
    let again = vec![("key", "key-0"); 200];
    let before = guests.host.most_resident_bytes();
    let error = guests.error("wasikv/get-many", &again).await;
    assert!(is_too_large(&error), "{error}");
    let more = guests.host.most_resident_bytes() - before;
    assert!(more < 100 << 20, "{more} bytes more");
}

#[tokio::test]
async fn keys_that_a_request_lists_count() {
    let guests = start();
    // 80 keys of some 250 KiB.
    for number in 0..5 {
        let keys = (0..16).map(|key| format!("{number}-{key}-{}=v", "k".repeat(250 << 10)));
        let body = keys.collect::<Vec<_>>().join("&");
        guests.ok_with_body("wasikv/set-many", &[], body).await;
    }
    for operation in ["kv2/keys", "kv3/keys", "wasikv/keys", "wasikv/page"] {
        let error = guests.error(operation, &[]).await;
        assert!(is_too_large(&error), "{operation}: {error}");
    }
    // Another request is as good as ever.
    assert_eq!(
        guests.ok("kv3/exists", &[("key", "none")]).await,
        json!(false)
    );
}

#[tokio::test]
async fn a_guest_that_hands_over_too_much_in_one_call_is_told_the_limit() {
    let app = App::new()
        .guest("kv2", STORE)
        .guest("kv3", STORE)
        .guest("wasikv", STORE);
    let guests = Guests::start_command(app.command().args(&[
        "--max-request-body",
        "24MiB",
        "--max-instance-memory",
        "192MiB",
        "--memory-budget",
        "1GiB",
    ]));
    let limit = (16 << 20) + (64 << 10);
    for operation in ["kv2/set", "kv3/set", "wasikv/set"] {
        // So much is taken, and found to be too large for a value.
        let value = vec![b'v'; 16 << 20];
        let error = guests.error_with_body(operation, &[], value).await;
        assert!(
            error.starts_with("other: value too large: 16777216 bytes"),
            "{operation}: {error}"
        );
        let answer = guests.answer(operation, &[], vec![b'v'; limit]).await;
        let detail = detail(&answer, 500);
        let in_words = detail.contains("in one call") && detail.contains(&limit.to_string());
        assert!(in_words, "{operation}: {detail}");
        let stored = operation.replace("set", "exists");
        assert_eq!(guests.ok(&stored, &[]).await, json!(false));
    }
}
