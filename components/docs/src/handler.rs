//! The component's handler: [`pages`](crate::pages) over `wasi:http`.

use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Method, Request, Response};
use spindrift_api::http;
use spindrift_api::reply::Reply;

use crate::pages;

struct Docs;

spin_sdk::wasip3::http::service::export!(Docs);

impl Guest for Docs {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        http::send(answer(&request)).await
    }
}

fn answer(request: &Request) -> Reply {
    let target = request.get_path_with_query().unwrap_or_default();
    let mut tags = request.get_headers().get("if-none-match").into_iter();
    let tags = tags.next().and_then(|tags| String::from_utf8(tags).ok());
    let reply = pages::get(&target, tags.as_deref());
    if reply.status == 404 {
        return reply;
    }
    match request.get_method() {
        Method::Get => reply,
        Method::Head => reply.without_body(),
        _ => Reply::method_not_allowed("GET, HEAD"),
    }
}
