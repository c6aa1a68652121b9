//! What only the guest of `spin:key-value@3.0.0` shows: a request that reads its own writes, keys as a stream, and a store
//! used after the response head went out.

use std::collections::BTreeSet;

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

fn start() -> Guests {
    Guests::start(App::new().guest("kv3", STORE).guest("wasikv", STORE))
}

#[tokio::test]
async fn a_request_reads_what_it_wrote() {
    let guests = start();
    for key in ["new", "new again"] {
        let args = [("key", key), ("value", "written")];
        // Twice: the second time the key is there already.
        for _ in 0..2 {
            let read = guests.ok("kv3/write-then-read", &args).await;
            assert_eq!(
                read,
                json!(["written", true, true]),
                "value, exists, listed"
            );
        }
        let gone = guests.ok("kv3/delete-then-read", &args).await;
        assert_eq!(gone, json!([null, false, false]), "value, exists, listed");
        assert_eq!(guests.ok("kv3/exists", &args).await, json!(false));
    }
}

#[tokio::test]
async fn a_swap_exchanges_two_values() {
    let guests = start();
    guests.ok("kv3/set", &[("key", "a"), ("value", "1")]).await;
    assert_eq!(guests.ok("kv3/swap", &[]).await, json!([null, "1"]));
    assert_eq!(guests.ok("kv3/two", &[]).await, json!([null, "1"]));
    assert_eq!(guests.ok("kv3/swap", &[]).await, json!(["1", null]));
    assert_eq!(guests.ok("kv3/two", &[]).await, json!(["1", null]));
}

#[tokio::test]
async fn thousands_of_keys_are_streamed() {
    let guests = start();
    let expected: BTreeSet<String> = (0..2_500).map(|number| format!("key-{number}")).collect();
    let entries: Vec<_> = expected.iter().map(|key| format!("{key}=v")).collect();
    guests
        .ok_with_body("wasikv/set-many", &[], entries.join("&"))
        .await;

    let keys: Vec<String> =
        serde_json::from_value(guests.ok("kv3/keys", &[]).await).expect("a list of keys");
    assert_eq!(keys.len(), expected.len(), "every key once");
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn a_store_is_used_after_the_response_head() {
    let guests = start();
    for (operation, body, left) in [
        // Three writes, each with a chunk of the body.
        ("hold", "abc", "c"),
        // One write through a store opened then.
        ("late", "set", "late"),
        // A write and a read of it through a store opened before.
        ("handle-after", "after", "after"),
        // A write before the head, one after it.
        ("before-and-after", "after", "after"),
    ] {
        for pause in ["0", "20"] {
            let args = [("key", operation), ("ms", pause)];
            let text = guests.text(&format!("kv3/{operation}"), &args).await;
            assert_eq!(text, body, "{operation} with a pause of {pause} ms");
            let value = guests.ok("kv3/get", &args[..1]).await;
            assert_eq!(value, json!(left), "{operation} with a pause of {pause} ms");
            guests.ok("kv3/delete", &args[..1]).await;
        }
    }
}

#[tokio::test]
async fn an_error_after_the_response_head_reaches_the_guest() {
    let guests = start();
    let long = "k".repeat(1025);
    for operation in ["hold", "late"] {
        let path = format!("kv3/{operation}");
        for pause in ["0", "20"] {
            assert_eq!(
                guests.text(&path, &[("key", &long), ("ms", pause)]).await,
                "error: other: key too long: 1025 bytes, at most 1024 bytes are allowed"
            );
            assert_eq!(
                guests
                    .text(&path, &[("store", "unknown"), ("ms", pause)])
                    .await,
                "error: access-denied"
            );
        }
    }
}

#[tokio::test]
async fn a_store_is_denied_after_the_response_head_as_before_it() {
    let guests = Guests::start(App::new().guest("kv3", ""));
    for pause in ["0", "20"] {
        let text = guests.text("kv3/late", &[("ms", pause)]).await;
        assert_eq!(text, "error: access-denied");
    }
}
