//! `wasi:keyvalue@0.2.0-draft2` over HTTP: the interfaces `store`, `atomics` and `batch`.
//!
//! Everywhere: `store` (`default`), `key` (several for the batch operations); a value is the request's body, or the
//! argument `value`. With the argument `after-head`, the operation begins that many milliseconds after the response head
//! went out. With the argument `kept`, it uses a handle that is opened before the first request; `wait` is a pause in
//! milliseconds between a transaction's reads and its writes.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../../../runtime/wit",
        inline: "
            package guest:wasikv;
            world imports {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        world: "guest:wasikv/imports",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

mod kept;

use std::mem::forget;
use std::rc::Rc;
use std::time::Duration;

use bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use bindings::wasi::keyvalue::batch;
use bindings::wasi::keyvalue::store::{self, Error};
use guest_request::{Target, json, pairs};
use guest_response03::{streamed, whole};
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
    if target.get("after-head").is_some() {
        return streamed(async move |mut body| {
            sleep(Duration::from_millis(target.number("after-head", 0))).await;
            let (_, answer) = answer(&target, value).await;
            body.write_all(answer.into_bytes()).await;
        });
    }
    let (status, answer) = answer(&target, value).await;
    whole(status, answer)
}

async fn answer(target: &Target, value: Vec<u8>) -> (u16, String) {
    match run(target, value).await.transpose() {
        Some(Ok(value)) => (200, json::ok(value)),
        Some(Err(CasError::StoreError(error))) => (200, json::error(name(&error))),
        Some(Err(CasError::CasFailed(_newer))) => (200, json::error("cas-failed")),
        None => (404, json::error("unknown operation")),
    }
}

async fn run(target: &Target, value: Vec<u8>) -> Result<Option<String>, CasError> {
    if target.operation() == "initializer" {
        return Ok(Some(kept::outcomes()));
    }
    let label = target.text("store", "default");
    let bucket = match target.get("kept") {
        Some(_) => kept::bucket(&label)?,
        None => Rc::new(store::open(&label)?),
    };
    let key = &target.text("key", "key");
    let pause = || sleep(Duration::from_millis(target.number("wait", 0)));
    let done = || "true".to_owned();
    Ok(Some(match target.operation() {
        "open" => done(),
        "get" => json::bytes(bucket.get(key)?),
        "set" => bucket.set(key, &value).map(|()| done())?,
        "delete" => bucket.delete(key).map(|()| done())?,
        "exists" => bucket.exists(key)?.to_string(),

        // Deletes the key if it exists. Answers whether it did.
        "take" => {
            let exists = bucket.exists(key)?;
            pause().await;
            if exists {
                bucket.delete(key)?;
            }
            exists.to_string()
        }
        // Reads the key through a handle of its own, and then counts `count`.
        "read-and-count" => {
            store::open(&label)?.get(key)?;
            pause().await;
            atomics::increment(&bucket, "count", 1)?.to_string()
        }

        // Opens the store `times` times in all, and has every handle open at once.
        "open-many" => {
            let mut handles = Vec::new();
            for _ in 1..target.number("times", 1) {
                handles.push(store::open(&label)?);
            }
            (handles.len() + 1).to_string()
        }
        // Opens the store `times` times and never closes a handle.
        "leak" => {
            for _ in 0..target.number("times", 1) {
                forget(store::open(&label)?);
            }
            done()
        }
        // The same with handles for a swap.
        "leak-swaps" => {
            for _ in 0..target.number("times", 1) {
                forget(Cas::new(&bucket, key)?);
            }
            done()
        }

        // Every page, as one list.
        "keys" => {
            let mut keys = Vec::new();
            let mut cursor = None;
            loop {
                let page = bucket.list_keys(cursor.as_deref())?;
                keys.extend(page.keys.iter().map(|key| json::string(key)));
                cursor = page.cursor;
                if cursor.is_none() {
                    break json::array(keys);
                }
            }
        }
        // One page, after `cursor` if there is one.
        "page" => {
            let page = bucket.list_keys(target.get("cursor"))?;
            json::object([
                (
                    "keys",
                    json::array(page.keys.iter().map(|key| json::string(key))),
                ),
                ("cursor", json::bytes(page.cursor)),
            ])
        }

        // Adds `delta`, which may be negative.
        "increment" => {
            let delta = target.text("delta", "1");
            let delta = delta
                .parse()
                .unwrap_or_else(|_| panic!("`delta` must be a number, not `{delta}`"));
            atomics::increment(&bucket, key, delta)?.to_string()
        }
        // Swaps the value in, and answers what was there before. With `between`, that value is written first, so
        // that the swap must fail.
        "swap" => {
            let cas = Cas::new(&bucket, key)?;
            let before = cas.current()?;
            if let Some(between) = target.get("between") {
                bucket.set(key, between.as_bytes())?;
            }
            atomics::swap(cas, &value)?;
            json::bytes(before)
        }
        // As `swap` with `between`, but tries again with the handle that the failure gives. Answers the value that
        // this handle saw, or `null` if the first swap went through.
        "swap-again" => {
            let cas = Cas::new(&bucket, key)?;
            bucket.set(key, target.text("between", "between").as_bytes())?;
            match atomics::swap(cas, &value) {
                Ok(()) => "null".into(),
                Err(CasError::CasFailed(newer)) => {
                    let seen = newer.current()?;
                    atomics::swap(newer, &value)?;
                    json::bytes(seen)
                }
                Err(error) => return Err(error),
            }
        }

        // Keeps a handle for a swap in a later request. With `first`, that value is written before.
        "keep-swap" => {
            if let Some(first) = target.get("first") {
                bucket.set(key, first.as_bytes())?;
            }
            kept::keep_swap(Cas::new(&bucket, key)?);
            done()
        }
        // Swaps with the handle that was kept. With `first`, that value is written before.
        "kept-swap" => {
            if let Some(first) = target.get("first") {
                bucket.set(key, first.as_bytes())?;
            }
            match kept::take_swap() {
                Some(cas) => atomics::swap(cas, &value).map(|()| done())?,
                None => "null".into(),
            }
        }
        // Both in one request: the first run keeps the handle and reads `other`, and the next one swaps. With `first`
        // and `then`, the runs write those values before.
        "swap-in-the-next-run" => match kept::take_swap() {
            None => {
                if let Some(first) = target.get("first") {
                    bucket.set(key, first.as_bytes())?;
                }
                kept::keep_swap(Cas::new(&bucket, key)?);
                bucket.get("other")?;
                pause().await;
                bucket.set("ran", b"once")?;
                "null".into()
            }
            Some(cas) => {
                if let Some(then) = target.get("then") {
                    bucket.set(key, then.as_bytes())?;
                }
                atomics::swap(cas, &value).map(|()| done())?
            }
        },

        // Every `key`: a list of [key, value] pairs.
        "get-many" => {
            let found = batch::get_many(&bucket, &target.all("key"))?;
            json::array(
                found.iter().map(|(key, value)| {
                    json::array([json::string(key), json::bytes(value.as_ref())])
                }),
            )
        }
        // The body is `key=value&…`.
        "set-many" => {
            let entries: Vec<_> = pairs(&String::from_utf8_lossy(&value))
                .into_iter()
                .map(|(key, value)| (key, value.into_bytes()))
                .collect();
            batch::set_many(&bucket, &entries).map(|()| done())?
        }
        "delete-many" => batch::delete_many(&bucket, &target.all("key")).map(|()| done())?,
        _ => return Ok(None),
    }))
}

impl From<Error> for CasError {
    fn from(error: Error) -> Self {
        Self::StoreError(error)
    }
}

/// The name of the error's case, as WIT has it.
fn name(error: &Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store".into(),
        Error::AccessDenied => "access-denied".into(),
        Error::Other(message) => format!("other: {message}"),
    }
}
