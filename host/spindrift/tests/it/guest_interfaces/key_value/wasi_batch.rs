//! `wasi:keyvalue/batch`: several keys in one call.

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

fn start() -> Guests {
    Guests::start(App::new().guest("wasikv", STORE))
}

#[tokio::test]
async fn many_keys_are_set_read_and_deleted() {
    let guests = start();
    let set = guests
        .ok_with_body("wasikv/set-many", &[], "a=1&b=&c%2F%C3%A9=3")
        .await;
    assert_eq!(set, json!(true));

    // In the order asked for; what is absent is there without a value, what is asked for twice is there twice.
    let keys = ["c/é", "absent", "a", "b", "a"].map(|key| ("key", key));
    assert_eq!(
        guests.ok("wasikv/get-many", &keys).await,
        json!([
            ["c/é", "3"],
            ["absent", null],
            ["a", "1"],
            ["b", ""],
            ["a", "1"]
        ])
    );

    let keys = ["a", "absent", "c/é"].map(|key| ("key", key));
    assert_eq!(guests.ok("wasikv/delete-many", &keys).await, json!(true));
    assert_eq!(guests.ok("wasikv/keys", &[]).await, json!(["b"]));
}

#[tokio::test]
async fn no_keys_are_no_error() {
    let guests = start();
    assert_eq!(guests.ok("wasikv/set-many", &[]).await, json!(true));
    assert_eq!(guests.ok("wasikv/get-many", &[]).await, json!([]));
    assert_eq!(guests.ok("wasikv/delete-many", &[]).await, json!(true));
}

#[tokio::test]
async fn of_one_key_set_twice_the_later_value_counts() {
    let guests = start();
    guests.ok_with_body("wasikv/set-many", &[], "a=1&a=2").await;
    assert_eq!(guests.ok("wasikv/get", &[("key", "a")]).await, json!("2"));
}

#[tokio::test]
async fn a_key_that_is_too_long_is_named_by_its_length() {
    let guests = start();
    let long = "k".repeat(1025);
    let refusal = "other: key too long: 1025 bytes, at most 1024 bytes are allowed";
    let entries = format!("a=1&{long}=2");
    let set = guests
        .error_with_body("wasikv/set-many", &[], entries)
        .await;
    assert_eq!(set, refusal);
    let keys = [("key", "a"), ("key", &long)];
    assert_eq!(guests.error("wasikv/delete-many", &keys).await, refusal);
}

#[tokio::test]
async fn batches_go_on_after_the_response_head() {
    let guests = start();
    for wait in ["0", "20"] {
        let after = ("after-head", wait);
        guests
            .ok_with_body("wasikv/set-many", &[after], "a=1&b=2&c=3")
            .await;
        let keys = [after, ("key", "a"), ("key", "absent"), ("key", "c")];
        assert_eq!(
            guests.ok("wasikv/get-many", &keys).await,
            json!([["a", "1"], ["absent", null], ["c", "3"]]),
            "{wait} ms"
        );
        guests.ok("wasikv/delete-many", &keys).await;
        assert_eq!(guests.ok("wasikv/keys", &[after]).await, json!(["b"]));
        assert_eq!(guests.ok("wasikv/keys", &[]).await, json!(["b"]));
    }
}
