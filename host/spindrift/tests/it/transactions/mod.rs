//! A request is a transaction: it happens whole, at one moment, or not at all.

mod after_head;
mod concurrent;
mod conflicts;
mod failures;
mod handles;
mod side_effects;
mod swaps;

use crate::harness::Client;

/// The store's value of a key, as the guest `kv3` reads it.
async fn value(client: &Client, key: &str) -> serde_json::Value {
    let answer = client.get(&format!("/kv3/get?key={key}")).await.expect(200);
    answer
        .get("ok")
        .unwrap_or_else(|| panic!("{key}: {answer}"))
        .clone()
}

/// Sets a key through the guest `kv3`.
async fn set(client: &Client, key: &str, value: &str) {
    let answer = client
        .post(&format!("/kv3/set?key={key}"), value.to_owned())
        .await;
    assert_eq!(answer.expect(200), serde_json::json!({"ok": true}));
}
