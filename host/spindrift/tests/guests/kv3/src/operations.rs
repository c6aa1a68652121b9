//! Operations whose answer is whole: they end before the response head goes out.

use std::mem::forget;
use std::time::Duration;

use guest_request::{Target, json};
use spin_sdk::key_value::{Error, Store};
use spin_sdk::time::sleep;

use crate::kept;

/// Runs the operation and answers with JSON; nothing for an operation that is not here.
pub async fn run(target: &Target, value: Vec<u8>) -> Option<Result<String, Error>> {
    transact(target, value).await.transpose()
}

async fn transact(target: &Target, value: Vec<u8>) -> Result<Option<String>, Error> {
    if target.operation() == "initializer" {
        return Ok(Some(kept::outcomes()));
    }
    let store = kept::open(target).await?;
    let key = target.text("key", "key");
    let (a, b) = (target.text("a", "a"), target.text("b", "b"));
    let pause = || sleep(Duration::from_millis(target.number("wait", 0)));
    let done = || "true".to_owned();
    Ok(Some(match target.operation() {
        "open" => done(),
        "get" => json::bytes(store.get(key).await?),
        "set" => store.set(key, value).await.map(|()| done())?,
        "delete" => store.delete(key).await.map(|()| done())?,
        "exists" => store.exists(key).await?.to_string(),
        "keys" => keys(&store).await?,

        // Reads one key, writes it.
        "increment" => {
            let count = number(store.get(&key).await?) + 1;
            pause().await;
            store.set(&key, count.to_string()).await?;
            count.to_string()
        }
        // Reads two keys.
        "two" => {
            let first = store.get(a).await?;
            pause().await;
            json::array([json::bytes(first), json::bytes(store.get(b).await?)])
        }
        // Reads two keys, writes both.
        "swap" => {
            let (first, second) = (store.get(&a).await?, store.get(&b).await?);
            pause().await;
            put(&store, &a, second.as_deref()).await?;
            put(&store, &b, first.as_deref()).await?;
            json::array([json::bytes(second), json::bytes(first)])
        }
        // Moves one from the count in `a` to the count in `b`: their sum never changes.
        "transfer" => {
            let (first, second) = (number(store.get(&a).await?), number(store.get(&b).await?));
            pause().await;
            store.set(&a, (first - 1).to_string()).await?;
            store.set(&b, (second + 1).to_string()).await?;
            json::array([(first - 1).to_string(), (second + 1).to_string()])
        }
        // Writes two keys, reads none.
        "set-two" => {
            store.set(a, &value).await?;
            pause().await;
            store.set(b, &value).await?;
            done()
        }
        // Reads its own writes.
        "write-then-read" => {
            store.set(&key, value).await?;
            let listed = store.get_keys().await.collect().await?.contains(&key);
            let read = json::bytes(store.get(&key).await?);
            json::array([
                read,
                store.exists(&key).await?.to_string(),
                listed.to_string(),
            ])
        }
        "delete-then-read" => {
            store.delete(&key).await?;
            let listed = store.get_keys().await.collect().await?.contains(&key);
            let read = json::bytes(store.get(&key).await?);
            json::array([
                read,
                store.exists(&key).await?.to_string(),
                listed.to_string(),
            ])
        }
        // Deletes the key if it exists. Answers whether it did.
        "take" => {
            let exists = store.exists(&key).await?;
            pause().await;
            if exists {
                store.delete(&key).await?;
            }
            exists.to_string()
        }
        // Reads the key through a handle of its own, and then counts `count`.
        "read-and-count" => {
            let own = Store::open(target.text("store", "default")).await?;
            own.get(&key).await?;
            pause().await;
            let count = number(store.get("count").await?) + 1;
            store.set("count", count.to_string()).await?;
            count.to_string()
        }
        // Opens the store `times` times in all, and has every handle open at once.
        "open-many" => {
            let mut handles = Vec::new();
            for _ in 1..target.number("times", 1) {
                handles.push(Store::open(target.text("store", "default")).await?);
            }
            (handles.len() + 1).to_string()
        }
        // Opens the store `times` times and never closes a handle.
        "leak" => {
            for _ in 0..target.number("times", 1) {
                forget(Store::open(target.text("store", "default")).await?);
            }
            done()
        }
        "requests" => kept::requests().to_string(),
        _ => return Ok(None),
    }))
}

/// The keys one by one, then how the listing ended.
async fn keys(store: &Store) -> Result<String, Error> {
    let mut stream = store.get_keys().await;
    let mut keys = Vec::new();
    while let Some(key) = stream.next().await {
        keys.push(json::string(&key));
    }
    stream.result().await?;
    Ok(json::array(keys))
}

async fn put(store: &Store, key: &str, value: Option<&[u8]>) -> Result<(), Error> {
    match value {
        Some(value) => store.set(key, value).await,
        None => store.delete(key).await,
    }
}

/// A count; what is absent or no number counts as 0.
fn number(value: Option<Vec<u8>>) -> i64 {
    value
        .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
}
