//! `fermyon:spin/key-value@2.0.0` over HTTP, as a component has it that moved to `wasi:http` 0.3 and kept its store.
//!
//! The arguments are those of the guest `kv3`. The handle that it keeps is opened before the first request.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../../../runtime/wit",
        inline: "
            package guest:kv2-in-http03;
            world imports {
                import fermyon:spin/key-value@2.0.0;
            }
        ",
        world: "guest:kv2-in-http03/imports",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

mod initializer;

use std::mem::forget;
use std::rc::Rc;
use std::time::Duration;

use bindings::fermyon::spin::key_value::{Error, Store};
use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::time::sleep;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let value = match target.get("value") {
        Some(value) => value.as_bytes().to_vec(),
        None => match request.into_body().bytes().await {
            Ok(body) => body.to_vec(),
            Err(code) => return whole(400, json::error(format!("body: {code:?}"))),
        },
    };
    match run(&target, &value).await.transpose() {
        Some(Ok(value)) => whole(200, json::ok(value)),
        Some(Err(error)) => whole(200, json::error(name(&error))),
        None => whole(404, json::error("unknown operation")),
    }
}

async fn run(target: &Target, value: &[u8]) -> Result<Option<String>, Error> {
    if target.operation() == "initializer" {
        return Ok(Some(initializer::outcomes()));
    }
    let label = target.text("store", "default");
    let store = match target.get("kept") {
        Some(_) => initializer::kept(&label)?,
        None => Rc::new(Store::open(&label)?),
    };
    let key = target.text("key", "key");
    let pause = || sleep(Duration::from_millis(target.number("wait", 0)));
    let done = || "true".to_owned();
    Ok(Some(match target.operation() {
        "get" => json::bytes(store.get(&key)?),
        "set" => store.set(&key, value).map(|()| done())?,
        "delete" => store.delete(&key).map(|()| done())?,
        "exists" => store.exists(&key)?.to_string(),
        "keys" => json::array(store.get_keys()?.iter().map(|key| json::string(key))),
        // Reads the key, writes it.
        "increment" => {
            let count = number(store.get(&key)?) + 1;
            pause().await;
            store.set(&key, count.to_string().as_bytes())?;
            count.to_string()
        }
        // Deletes the key if it exists. Answers whether it did.
        "take" => {
            let exists = store.exists(&key)?;
            pause().await;
            if exists {
                store.delete(&key)?;
            }
            exists.to_string()
        }
        // Reads the key through a handle of its own, and then counts `count`.
        "read-and-count" => {
            Store::open(&label)?.get(&key)?;
            pause().await;
            let count = number(store.get("count")?) + 1;
            store.set("count", count.to_string().as_bytes())?;
            count.to_string()
        }
        // Opens the store `times` times and never closes a handle.
        "leak" => {
            for _ in 0..target.number("times", 1) {
                forget(Store::open(&label)?);
            }
            done()
        }
        _ => return Ok(None),
    }))
}

/// A count; what is absent or no number counts as 0.
fn number(value: Option<Vec<u8>>) -> i64 {
    value
        .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
}

/// The name of the error's case, as WIT has it.
fn name(error: &Error) -> String {
    match error {
        Error::StoreTableFull => "store-table-full".into(),
        Error::NoSuchStore => "no-such-store".into(),
        Error::AccessDenied => "access-denied".into(),
        Error::Other(message) => format!("other: {message}"),
    }
}
