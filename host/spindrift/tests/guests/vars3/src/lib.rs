//! `spin:variables@3.0.0` over HTTP: `/get?name=`.

use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::variables::{self, Error};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    if target.operation() != "get" {
        return whole(404, json::error("unknown operation"));
    }
    match variables::get(target.text("name", "")).await {
        Ok(value) => whole(200, json::ok(json::string(&value))),
        Err(error) => whole(200, json::error(name(&error))),
    }
}

/// The name of the error's case, as WIT has it.
fn name(error: &Error) -> String {
    match error {
        Error::InvalidName(message) => format!("invalid-name: {message}"),
        Error::Undefined(message) => format!("undefined: {message}"),
        Error::Provider(message) => format!("provider: {message}"),
        Error::Other(message) => format!("other: {message}"),
    }
}
