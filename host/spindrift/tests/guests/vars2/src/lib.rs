//! `fermyon:spin/variables@2.0.0` over HTTP, as a component of the previous SDK has it: `/get?name=`.

use guest_request::{Target, json};
use spin_sdk::http::{IntoResponse, Request, Response};
use spin_sdk::http_component;
use spin_sdk::variables::{self, Error};

#[http_component]
fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    let target = Target::parse(&format!("{}?{}", request.path(), request.query()));
    if target.operation() != "get" {
        return Ok(Response::new(404, json::error("unknown operation")));
    }
    Ok(match variables::get(&target.text("name", "")) {
        Ok(value) => Response::new(200, json::ok(json::string(&value))),
        Err(error) => Response::new(200, json::error(name(&error))),
    })
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
