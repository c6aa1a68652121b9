//! `fermyon:spin/key-value@2.0.0` over HTTP, as a component of the previous SDK has it: `wasi:http` 0.2.
//!
//! The arguments are those of the guest `kv3`.

use guest_request::{Target, json};
use spin_sdk::http::{IntoResponse, Request, Response};
use spin_sdk::http_component;
use spin_sdk::key_value::{Error, Store};

#[http_component]
fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    let target = Target::parse(&format!("{}?{}", request.path(), request.query()));
    let value = target.get("value").map_or(request.body(), str::as_bytes);
    Ok(match run(&target, value).transpose() {
        Some(Ok(value)) => Response::new(200, json::ok(value)),
        Some(Err(error)) => Response::new(200, json::error(name(&error))),
        None => Response::new(404, json::error("unknown operation")),
    })
}

fn run(target: &Target, value: &[u8]) -> Result<Option<String>, Error> {
    let store = Store::open(&target.text("store", "default"))?;
    let key = target.text("key", "key");
    let done = || "true".to_owned();
    Ok(Some(match target.operation() {
        "open" => done(),
        "get" => json::bytes(store.get(&key)?),
        "set" => store.set(&key, value).map(|()| done())?,
        "delete" => store.delete(&key).map(|()| done())?,
        "exists" => store.exists(&key)?.to_string(),
        "keys" => json::array(store.get_keys()?.iter().map(|key| json::string(key))),
        // Reads the key, writes it.
        "increment" => {
            let count: i64 = store
                .get(&key)?
                .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
                .unwrap_or(0)
                + 1;
            store.set(&key, count.to_string().as_bytes())?;
            count.to_string()
        }
        // Opens the store `times` times and keeps every handle.
        "open-many" => {
            let mut handles = vec![store];
            for _ in 1..target.number("times", 1) {
                handles.push(Store::open(&target.text("store", "default"))?);
            }
            handles.len().to_string()
        }
        _ => return Ok(None),
    }))
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
