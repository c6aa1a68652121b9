//! `wasi:config/store@0.2.0-draft-2024-09-27` over HTTP: `/get?name=` and `/get-all`.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        path: "../../../../runtime/wit",
        inline: "
            package guest:config;
            world imports {
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
        world: "guest:config/imports",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

use bindings::wasi::config::store::{self, Error};
use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let outcome = match target.operation() {
        "get" => store::get(&target.text("name", "")).map(json::bytes),
        "get-all" => store::get_all().map(|all| {
            json::object(
                all.iter()
                    .map(|(name, value)| (name.as_str(), json::string(value))),
            )
        }),
        _ => return whole(404, json::error("unknown operation")),
    };
    match outcome {
        Ok(value) => whole(200, json::ok(value)),
        Err(Error::Upstream(message)) => whole(200, json::error(format!("upstream: {message}"))),
        Err(Error::Io(message)) => whole(200, json::error(format!("io: {message}"))),
    }
}
