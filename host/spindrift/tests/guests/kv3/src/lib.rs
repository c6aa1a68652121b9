//! `spin:key-value@3.0.0` over HTTP: one operation a path, and the shapes of transactions that tests need.
//!
//! Everywhere: `store` (`default`), `key`, `a`, `b`; a value is the request's body, or the argument `value`; `wait` is a
//! pause in milliseconds between a transaction's reads and its writes. With the argument `kept`, an operation uses a handle
//! that the instance keeps from request to request.

mod after_head;
mod kept;
mod operations;

use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::key_value::Error;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    if let Some(response) = after_head::respond(&target).await {
        return response;
    }
    let value = match target.get("value") {
        Some(value) => value.as_bytes().to_vec(),
        None => match request.into_body().bytes().await {
            Ok(body) => body.to_vec(),
            Err(code) => return whole(400, json::error(format!("body: {code:?}"))),
        },
    };
    match operations::run(&target, value).await {
        Some(Ok(value)) => whole(200, json::ok(value)),
        Some(Err(error)) => whole(200, json::error(name(&error))),
        None => whole(404, json::error("unknown operation")),
    }
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
