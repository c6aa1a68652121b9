//! `GET /get/{key}`: reads the value of a key.
#![cfg(target_family = "wasm")]

use spin_sdk::key_value::Store;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Method, Request, Response};
use spindrift_api::reply::Reply;
use spindrift_api::{http, path, store};

struct Get;

spin_sdk::wasip3::http::service::export!(Get);

impl Guest for Get {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let method = request.get_method();
        let mut reply = get(&request, &method)
            .await
            .unwrap_or_else(|refusal| refusal);
        if matches!(method, Method::Head) {
            reply = reply.without_body();
        }
        http::send(reply).await
    }
}

async fn get(request: &Request, method: &Method) -> Result<Reply, Reply> {
    let target = request.get_path_with_query().unwrap_or_default();
    let segment = path::segment(&target, "/get/")?;
    if !matches!(method, Method::Get | Method::Head) {
        return Err(Reply::method_not_allowed("GET, HEAD"));
    }
    let key = path::key(segment)?;
    let store = Store::open_default().await.map_err(store::failed)?;
    let value = store.get(&key).await.map_err(store::failed)?;
    let value = value.ok_or_else(Reply::key_not_found)?;
    // Another component may have written anything.
    match std::str::from_utf8(&value) {
        Ok(value) => Ok(Reply::item(&key, value)),
        Err(_) => Err(Reply::error(500, "the value is not UTF-8 text")),
    }
}
