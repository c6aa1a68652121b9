//! A component as the SDK for Spin 4.0 makes it: its handler and all of its WASI 0.3 are of the release candidate
//! `0.3.0-rc-2026-03-15`.

use bytes::Bytes;
use guest_request::{Target, json};
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{self, FullBody, IntoResponse, Request, StatusCode};
use spin_sdk::key_value::Store;
use spin_sdk::{http_service, variables};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let key = target.text("key", "k");
    let outcome = match target.operation() {
        "set" => match Store::open_default().await {
            Ok(store) => store
                .set(&key, target.text("value", "").as_bytes())
                .await
                .map(|()| "true".to_owned())
                .map_err(|error| format!("{error:?}")),
            Err(error) => Err(format!("{error:?}")),
        },
        "get" => match Store::open_default().await {
            Ok(store) => match store.get(&key).await {
                Ok(Some(value)) => Ok(json::string(&String::from_utf8_lossy(&value))),
                Ok(None) => Ok("null".to_owned()),
                Err(error) => Err(format!("{error:?}")),
            },
            Err(error) => Err(format!("{error:?}")),
        },
        "open" => Store::open(&target.text("store", ""))
            .await
            .map(|_| "true".to_owned())
            .map_err(|error| format!("{error:?}")),
        "variable" => variables::get(target.text("name", ""))
            .await
            .map(|value| json::string(&value))
            .map_err(|error| format!("{error:?}")),
        "fetch" => match http::get(target.text("url", "")).await {
            Ok(response) => match response.into_body().bytes().await {
                Ok(body) => Ok(json::string(&String::from_utf8_lossy(&body))),
                Err(code) => Err(json::case_name(&code)),
            },
            Err(code) => Err(json::case_name(&code)),
        },
        "echo" => match request.into_body().bytes().await {
            Ok(body) => Ok(json::string(&String::from_utf8_lossy(&body))),
            Err(code) => Err(json::case_name(&code)),
        },
        _ => Err("unknown operation".to_owned()),
    };
    let body = match outcome {
        Ok(value) => json::ok(value),
        Err(error) => json::error(error),
    };
    (StatusCode::OK, FullBody::new(Bytes::from(body)))
}
