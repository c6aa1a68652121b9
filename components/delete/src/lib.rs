//! `DELETE /delete/{key}`: removes a key.
#![cfg(target_family = "wasm")]

use spin_sdk::key_value::Store;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Method, Request, Response};
use spindrift_api::reply::Reply;
use spindrift_api::{http, path, store};

struct Delete;

spin_sdk::wasip3::http::service::export!(Delete);

impl Guest for Delete {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let reply = delete(&request).await.unwrap_or_else(|refusal| refusal);
        http::send(reply).await
    }
}

async fn delete(request: &Request) -> Result<Reply, Reply> {
    let target = request.get_path_with_query().unwrap_or_default();
    let segment = path::segment(&target, "/delete/")?;
    if !matches!(request.get_method(), Method::Delete) {
        return Err(Reply::method_not_allowed("DELETE"));
    }
    let key = path::key(segment)?;
    let store = Store::open_default().await.map_err(store::failed)?;
    // Under Spindrift the two are one transaction; under stock Spin another
    // request may come between them, and both then report success.
    if !store.exists(&key).await.map_err(store::failed)? {
        return Err(Reply::key_not_found());
    }
    store.delete(&key).await.map_err(store::failed)?;
    Ok(Reply::deleted(&key))
}
