//! The API of put, get, delete and docs, answer by answer, on HTTP/1.1 and HTTP/2.

mod docs;
mod items;
mod keys;
mod paths;
mod validation;
mod values;

use serde_json::{Value, json};

use crate::harness::{Answer, Client};

/// Stores a value.
async fn put(client: &Client, key: &str, value: &str) -> Answer {
    client
        .put("/put", json!({"key": key, "value": value}).to_string())
        .await
}

/// The 404 of a key without a value.
fn key_not_found() -> Value {
    json!({"detail": "Key not found."})
}

/// The path of a key, every byte percent-encoded that may not stand for itself.
fn path(of: &str, key: &str) -> String {
    let mut path = format!("/{of}/");
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
