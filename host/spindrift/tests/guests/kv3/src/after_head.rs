//! Operations that use the store after the response head went out. Their body is text: what was done, or
//! `error: name`, and there it ends.

use std::time::Duration;

use guest_request::Target;
use guest_response03::{streamed, whole};
use spin_sdk::key_value::{Error, Store};
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::types::Response;

use crate::name;

/// The response, if the operation is one of these. `ms` is a pause before each use of the store, in milliseconds.
pub async fn respond(target: &Target) -> Option<Response> {
    let label = target.text("store", "default");
    let key = target.text("key", "key");
    let pause = Duration::from_millis(target.number("ms", 0));
    Some(match target.operation() {
        // Writes `a`, `b` and `c` to the key, each before it sends the chunk of that name.
        "hold" => streamed(async move |mut body| {
            for chunk in ["a", "b", "c"] {
                sleep(pause).await;
                let outcome = async { Store::open(&label).await?.set(&key, chunk).await }.await;
                body.write_all(text(&outcome, chunk)).await;
                if outcome.is_err() {
                    return;
                }
            }
        }),
        // One write, late.
        "late" => streamed(async move |mut body| {
            sleep(pause).await;
            let outcome = async { Store::open(&label).await?.set(&key, "late").await }.await;
            body.write_all(text(&outcome, "set")).await;
        }),
        // The same through a handle that the head did not wait for, and a read after it.
        "handle-after" => {
            let store = match Store::open(&label).await {
                Ok(store) => store,
                Err(error) => return Some(whole(200, text(&Err(error), ""))),
            };
            streamed(async move |mut body| {
                sleep(pause).await;
                let outcome = async {
                    store.set(&key, "after").await?;
                    store.get(&key).await
                };
                let (outcome, value) = match outcome.await {
                    Ok(value) => (
                        Ok(()),
                        String::from_utf8_lossy(&value.unwrap_or_default()).into_owned(),
                    ),
                    Err(error) => (Err(error), String::new()),
                };
                body.write_all(text(&outcome, &value)).await;
            })
        }
        // A write before the head, and one after it.
        "before-and-after" => {
            let store = match Store::open(&label).await {
                Ok(store) => store,
                Err(error) => return Some(whole(200, text(&Err(error), ""))),
            };
            if let Err(error) = store.set(&key, "before").await {
                return Some(whole(200, text(&Err(error), "")));
            }
            streamed(async move |mut body| {
                sleep(pause).await;
                let outcome = store.set(&key, "after").await;
                body.write_all(text(&outcome, "after")).await;
            })
        }
        _ => return None,
    })
}

fn text(outcome: &Result<(), Error>, done: &str) -> Vec<u8> {
    match outcome {
        Ok(()) => done.as_bytes().to_vec(),
        Err(error) => format!("error: {}", name(error)).into_bytes(),
    }
}
