//! `PUT /put`: stores a value under a key.
#![cfg(target_family = "wasm")]

use spin_sdk::key_value::Store;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Method, Request, Response};
use spindrift_api::reply::Reply;
use spindrift_api::{body, http, path, store};

struct Put;

spin_sdk::wasip3::http::service::export!(Put);

impl Guest for Put {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let reply = put(request).await.unwrap_or_else(|refusal| refusal);
        http::send(reply).await
    }
}

async fn put(request: Request) -> Result<Reply, Reply> {
    let target = request.get_path_with_query().unwrap_or_default();
    if path::without_query(&target) != "/put" {
        return Err(Reply::not_found());
    }
    if !matches!(request.get_method(), Method::Put) {
        return Err(Reply::method_not_allowed("PUT"));
    }
    let body = http::read_body(request).await?;
    let item = body::item(&body)?;
    let store = Store::open_default().await.map_err(store::failed)?;
    store
        .set(&item.key, item.value.as_bytes())
        .await
        .map_err(store::failed)?;
    Ok(Reply::stored(&item.key))
}
