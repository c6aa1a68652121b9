//! A store's handle belongs to the request that opened it.

use serde_json::json;

use super::{set, value};
use crate::harness::{App, Host, STORE};

fn start() -> Host {
    App::new().guest("kv3", STORE).start(&["--workers", "1"])
}

#[tokio::test]
async fn a_handle_that_outlives_its_request_reads_what_is_there_now() {
    let host = start();
    let client = host.http1();
    set(&client, "k", "early").await;
    assert_eq!(
        client.get("/kv3/stash").await.expect(200),
        json!({"ok": true})
    );
    set(&client, "k", "late").await;
    assert_eq!(
        client.get("/kv3/stashed?key=k").await.expect(200),
        json!({"ok": ["late"]})
    );
    assert_eq!(value(&client, "k").await, "late");
}

#[tokio::test]
async fn a_handle_of_an_earlier_request_is_not_in_the_way_of_the_next() {
    let host = start();
    let client = host.http1();
    client.get("/kv3/stash").await.expect(200);
    // The next request opens the store itself, in the same instance.
    set(&client, "k", "v").await;
    assert_eq!(
        client.get("/kv3/increment?key=n").await.expect(200),
        json!({"ok": 1})
    );
    assert_eq!(
        client.get("/kv3/stashed?key=n").await.expect(200),
        json!({"ok": ["1"]})
    );
    // It was taken out.
    assert_eq!(
        client.get("/kv3/stashed?key=n").await.expect(200),
        json!({"ok": null})
    );
}
