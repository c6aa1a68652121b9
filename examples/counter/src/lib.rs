//! `POST /count/NAME` adds one to a counter, and `GET /count/NAME` reads it.

use anyhow::Context;
use spin_sdk::http::{IntoResponse, Method, Request, StatusCode};
use spin_sdk::http_service;
use spin_sdk::key_value::Store;

#[http_service]
async fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    // The path names the counter, so it is the key as well.
    let key = request.uri().path();
    let store = Store::open_default().await?;
    match *request.method() {
        Method::GET => Ok((StatusCode::OK, line(read(&store, key).await?))),
        Method::POST => Ok((StatusCode::OK, line(add_one(&store, key).await?))),
        _ => Ok((StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n".into())),
    }
}

/// A counter that nobody has added to is at 0.
async fn read(store: &Store, key: &str) -> anyhow::Result<u64> {
    let Some(value) = store.get(key).await? else {
        return Ok(0);
    };
    let digits = String::from_utf8(value)?;
    digits
        .parse()
        .with_context(|| format!("the value of {key} is not a number: {digits}"))
}

/// Reads, adds, writes. The request is a transaction: if another request writes the key in between, the host throws this
/// write away and runs the handler again.
async fn add_one(store: &Store, key: &str) -> anyhow::Result<u64> {
    let value = read(store, key).await? + 1;
    store.set(key, value.to_string()).await?;
    Ok(value)
}

fn line(value: u64) -> String {
    format!("{value}\n")
}
