//! A handle of `wasi:keyvalue/atomics` that a guest keeps belongs to the run that made it.

use std::cell::Cell;

use futures::future::join;
use serde_json::{Value, json};

use super::{set, value};
use crate::harness::{App, Client, Host, STORE, within};

/// `kv3` does what others do meanwhile. One thread, so that one instance of `wasikv` serves all of its requests.
fn start() -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("wasikv", STORE)
        .start(&["--workers", "1"])
}

/// What a swap said: `true`, or the error's name.
async fn ask(client: &Client, operation: &str) -> Value {
    let path = format!("/wasikv/{operation}");
    let json = client.get_patiently(&path).await.expect_for(200, &path);
    let said = json.get("ok").or_else(|| json.get("error"));
    said.unwrap_or_else(|| panic!("{path}: {json}")).clone()
}

#[tokio::test]
async fn a_kept_swap_goes_through_in_a_later_request_if_the_key_has_not_changed() {
    let host = start();
    let client = host.http1();
    set(&client, "key", "before").await;
    ask(&client, "keep-swap").await;
    ask(&client, "get?key=other").await;
    assert_eq!(ask(&client, "kept-swap?value=after").await, json!(true));
    assert_eq!(value(&client, "key").await, "after");

    // Nor if it was absent, and still is.
    ask(&client, "keep-swap?key=absent").await;
    let swap = "kept-swap?key=absent&value=there";
    assert_eq!(ask(&client, swap).await, json!(true));
    assert_eq!(value(&client, "absent").await, "there");
}

#[tokio::test]
async fn a_kept_swap_fails_in_a_later_request_if_the_key_was_written() {
    let host = start();
    let client = host.http1();
    set(&client, "key", "same").await;
    ask(&client, "keep-swap").await;
    // The value is the same, the entry is another.
    set(&client, "key", "same").await;
    let swap = "kept-swap?value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));
    assert_eq!(value(&client, "key").await, "same");

    // It is written by the later request itself.
    ask(&client, "keep-swap").await;
    let swap = "kept-swap?first=same&value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));
    assert_eq!(value(&client, "key").await, "same");

    ask(&client, "keep-swap?key=absent").await;
    set(&client, "absent", "there").await;
    let swap = "kept-swap?key=absent&value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));

    ask(&client, "keep-swap").await;
    client.get("/kv3/delete?key=key").await.expect(200);
    let swap = "kept-swap?value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));
    assert_eq!(value(&client, "key").await, Value::Null);
}

#[tokio::test]
async fn a_write_that_was_not_committed_when_a_kept_swap_saw_it_counts_as_changed() {
    let host = start();
    let client = host.http1();
    ask(&client, "keep-swap?first=own").await;
    assert_eq!(value(&client, "key").await, "own");
    let swap = "kept-swap?value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));
    assert_eq!(value(&client, "key").await, "own");

    // The later request writes the same again: that is another write.
    ask(&client, "keep-swap?first=own").await;
    let swap = "kept-swap?first=own&value=after";
    assert_eq!(ask(&client, swap).await, json!("cas-failed"));
    assert_eq!(value(&client, "key").await, "own");
}

/// Has `swap-in-the-next-run` run twice, by changing `other` during its first run.
async fn over_runs(host: &Host, args: &str) -> Value {
    let (slow, client) = (host.http1(), host.http1());
    let path = format!("swap-in-the-next-run?value=after&wait=200&{args}");
    let done = Cell::new(false);
    let request = async {
        let said = ask(&slow, &path).await;
        done.set(true);
        said
    };
    let writes = async {
        let mut number = 0;
        while !done.get() {
            number += 1;
            set(&client, "other", &number.to_string()).await;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let (said, ()) = within("both runs", join(request, writes)).await;
    assert_eq!(value(&client, "ran").await, Value::Null, "it ran once");
    said
}

#[tokio::test]
async fn a_kept_swap_outlives_a_run_that_was_thrown_away() {
    let host = start();
    let client = host.http1();
    set(&client, "key", "before").await;
    assert_eq!(over_runs(&host, "").await, json!(true));
    assert_eq!(value(&client, "key").await, "after");
    assert_eq!(over_runs(&host, "key=absent").await, json!(true));
    assert_eq!(value(&client, "absent").await, "after");
}

#[tokio::test]
async fn what_a_run_wrote_that_was_thrown_away_is_never_what_a_swap_finds() {
    let host = start();
    let client = host.http1();
    for args in [
        // Only the first run writes it, only the second, or both the same.
        "first=own",
        "then=before",
        "first=own&then=own",
        "key=absent&first=own",
        "key=absent&then=own",
        "key=absent&first=own&then=own",
    ] {
        set(&client, "key", "before").await;
        client.get("/kv3/delete?key=absent").await.expect(200);
        assert_eq!(over_runs(&host, args).await, json!("cas-failed"), "{args}");
        let key = if args.contains("absent") {
            "absent"
        } else {
            "key"
        };
        assert_ne!(value(&client, key).await, "after", "{args}");
    }
}
