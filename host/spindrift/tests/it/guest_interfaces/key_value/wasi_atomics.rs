//! `wasi:keyvalue/atomics`: increments, and compare-and-swap.

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

fn start() -> Guests {
    Guests::start(App::new().guest("wasikv", STORE))
}

async fn increment(guests: &Guests, delta: &str) -> Value {
    guests.ok("wasikv/increment", &[("delta", delta)]).await
}

async fn set(guests: &Guests, value: &str) {
    guests.ok("wasikv/set", &[("value", value)]).await;
}

async fn set_or_delete(guests: &Guests, value: Option<&str>) {
    match value {
        Some(value) => set(guests, value).await,
        None => drop(guests.ok("wasikv/delete", &[]).await),
    }
}

async fn get(guests: &Guests) -> Value {
    guests.ok("wasikv/get", &[]).await
}

#[tokio::test]
async fn an_increment_adds_and_answers_the_sum() {
    let guests = start();
    assert_eq!(
        increment(&guests, "1").await,
        json!(1),
        "an absent key is 0"
    );
    assert_eq!(increment(&guests, "41").await, json!(42));
    assert_eq!(increment(&guests, "0").await, json!(42));
    assert_eq!(increment(&guests, "-50").await, json!(-8));
    assert_eq!(get(&guests).await, json!("-8"), "kept as decimal text");
    set(&guests, "1000").await;
    assert_eq!(
        increment(&guests, "1").await,
        json!(1001),
        "text is a count"
    );
    set(&guests, &(i64::MAX - 1).to_string()).await;
    assert_eq!(increment(&guests, "1").await, json!(i64::MAX));
}

#[tokio::test]
async fn what_cannot_be_incremented_stays_as_it_is() {
    let guests = start();
    for value in ["ten", "", "1.5", " 1", "9223372036854775808"] {
        set(&guests, value).await;
        assert_eq!(
            guests.error("wasikv/increment", &[]).await,
            "other: the value of key 'key' is no decimal integer of 64 bits, so it cannot be incremented",
            "{value:?}"
        );
        assert_eq!(get(&guests).await, json!(value));
    }
    for (value, delta) in [
        (i64::MAX, "1"),
        (i64::MIN, "-1"),
        (1, "9223372036854775807"),
    ] {
        set(&guests, &value.to_string()).await;
        assert_eq!(
            guests.error("wasikv/increment", &[("delta", delta)]).await,
            format!(
                "other: adding {delta} to the value of key 'key', {value}, goes beyond 64 bits"
            )
        );
        assert_eq!(get(&guests).await, json!(value.to_string()));
    }
}

#[tokio::test]
async fn an_increment_of_a_key_that_is_too_long_is_refused() {
    let guests = start();
    let long = "k".repeat(1025);
    assert_eq!(
        guests.error("wasikv/increment", &[("key", &long)]).await,
        "other: key too long: 1025 bytes, at most 1024 bytes are allowed"
    );
}

#[tokio::test]
async fn increments_of_many_requests_at_once_are_all_counted() {
    let guests = start();
    let tasks = (0..8).map(|_| async {
        for _ in 0..25 {
            increment(&guests, "1").await;
        }
    });
    futures::future::join_all(tasks).await;
    assert_eq!(get(&guests).await, json!("200"));
}

#[tokio::test]
async fn a_swap_replaces_what_was_seen() {
    let guests = start();
    let swap = async |value| guests.ok("wasikv/swap", &[("value", value)]).await;
    assert_eq!(swap("first").await, Value::Null, "the key was absent");
    assert_eq!(swap("second").await, json!("first"));
    assert_eq!(swap("").await, json!("second"));
    assert_eq!(swap("third").await, json!(""));
    assert_eq!(get(&guests).await, json!("third"));
}

#[tokio::test]
async fn a_swap_fails_where_the_value_has_changed() {
    let guests = start();
    let args = [("value", "swapped"), ("between", "changed")];
    for before in [None, Some("before")] {
        set_or_delete(&guests, before).await;
        let error = guests.error("wasikv/swap", &args).await;
        assert_eq!(error, "cas-failed", "before: {before:?}");
        assert_eq!(get(&guests).await, json!("changed"), "before: {before:?}");
    }
}

#[tokio::test]
async fn a_failed_swap_gives_a_handle_on_the_newer_value() {
    let guests = start();
    let args = [("value", "swapped"), ("between", "changed")];
    for before in [None, Some("before")] {
        set_or_delete(&guests, before).await;
        let seen = guests.ok("wasikv/swap-again", &args).await;
        assert_eq!(seen, json!("changed"), "before: {before:?}");
        assert_eq!(get(&guests).await, json!("swapped"), "before: {before:?}");
    }
}

#[tokio::test]
async fn a_swap_of_what_is_too_large_is_refused() {
    let guests = start();
    set(&guests, "before").await;
    let value = vec![b'v'; (1 << 20) + 1];
    assert_eq!(
        guests.error_with_body("wasikv/swap", &[], value).await,
        "other: value too large: 1048577 bytes, at most 1048576 bytes are allowed"
    );
    assert_eq!(get(&guests).await, json!("before"));
}

#[tokio::test]
async fn increments_and_swaps_go_on_after_the_response_head() {
    let guests = start();
    for wait in ["0", "20"] {
        guests.ok("wasikv/delete", &[]).await;
        let after = ("after-head", wait);
        let add = guests
            .ok("wasikv/increment", &[after, ("delta", "5")])
            .await;
        assert_eq!(add, json!(5), "{wait} ms");
        let add = guests
            .ok("wasikv/increment", &[after, ("delta", "-7")])
            .await;
        assert_eq!(add, json!(-2), "{wait} ms");
        assert_eq!(get(&guests).await, json!("-2"), "{wait} ms");

        let seen = guests.ok("wasikv/swap", &[after, ("value", "first")]).await;
        assert_eq!(seen, json!("-2"), "{wait} ms");
        assert_eq!(get(&guests).await, json!("first"), "{wait} ms");

        let changed = [after, ("value", "second"), ("between", "changed")];
        let error = guests.error("wasikv/swap", &changed).await;
        assert_eq!(error, "cas-failed", "{wait} ms");
        assert_eq!(get(&guests).await, json!("changed"), "{wait} ms");
        set(&guests, "third").await;
        let seen = guests.ok("wasikv/swap-again", &changed).await;
        assert_eq!(seen, json!("changed"), "{wait} ms");
        assert_eq!(get(&guests).await, json!("second"), "{wait} ms");

        let error = guests.error("wasikv/increment", &[after]).await;
        assert!(
            error.starts_with("other: the value of key 'key' is no"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn increments_after_the_response_head_are_all_counted() {
    let guests = start();
    let tasks = (0..8).map(|_| async {
        for _ in 0..25 {
            guests.ok("wasikv/increment", &[("after-head", "0")]).await;
        }
    });
    futures::future::join_all(tasks).await;
    assert_eq!(get(&guests).await, json!("200"));
}
