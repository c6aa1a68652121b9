//! Imports an interface that no host offers: a host must refuse to start with it, and name the interface.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package acme:nowhere@1.0.0;
            interface thing {
                answer: func() -> u32;
            }
            world imports {
                import thing;
            }
        ",
        runtime_path: "spin_sdk::wit_bindgen::rt",
    });
}

use guest_response03::whole;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(_request: Request) -> impl IntoResponse {
    whole(200, bindings::acme::nowhere::thing::answer().to_string())
}
