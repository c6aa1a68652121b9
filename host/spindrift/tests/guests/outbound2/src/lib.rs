//! What goes out of a component of the previous SDK: HTTP 0.2 and sockets 0.2.
//!
//! `url` is where a request goes, `bytes` how long the body is that it has, `addr` is `host:port` for a socket.

use guest_request::{Target, json};
use spin_sdk::http::{IntoResponse, Method, Request, Response, SendError};
use spin_sdk::http_component;
use spin_sdk::key_value::Store;

#[http_component]
async fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
    let target = Target::parse(&format!("{}?{}", request.path(), request.query()));
    let outcome = match target.operation() {
        "fetch" => fetch(&target.text("url", "")).await,
        "post" => post(&target).await,
        "fetch-and-set" | "get-fetch-set" => fetch_and_set(&target).await,
        // Answers with what its own path answers, without an end.
        "pass-again" => match get("http://self/outbound2/pass-again").await {
            Ok(response) => return Ok(response),
            Err(error) => Err(error),
        },
        "socket" => socket(&target.text("addr", "")),
        _ => return Ok(Response::new(404, json::error("unknown operation"))),
    };
    Ok(match outcome {
        Ok(value) => Response::new(200, json::ok(value)),
        Err(error) => Response::new(200, json::error(error)),
    })
}

/// GETs the URL: its status and body.
async fn fetch(url: &str) -> Result<String, String> {
    send(Request::new(Method::Get, url)).await
}

/// POSTs so many bytes to the URL. The SDK writes all of them before it asks for the answer.
async fn post(target: &Target) -> Result<String, String> {
    let body = vec![b'p'; target.number("bytes", 0) as usize];
    send(Request::post(target.text("url", ""), body).build()).await
}

async fn send(request: Request) -> Result<String, String> {
    let response = answer(request).await?;
    Ok(json::object([
        ("status", response.status().to_string()),
        ("body", json::bytes(Some(response.body()))),
    ]))
}

async fn get(url: &str) -> Result<Response, String> {
    answer(Request::new(Method::Get, url)).await
}

async fn answer(request: Request) -> Result<Response, String> {
    match spin_sdk::http::send::<_, Response>(request).await {
        Ok(response) => Ok(response),
        Err(SendError::Http(code)) => Err(json::case_name(&code)),
        Err(error) => Err(error.to_string()),
    }
}

/// An increment of `key` with a fetch before it, or with the fetch in it.
async fn fetch_and_set(target: &Target) -> Result<String, String> {
    let (key, url) = (target.text("key", "key"), target.text("url", ""));
    let store = Store::open_default().map_err(|error| json::case_name(&error))?;
    let early = target.operation() == "fetch-and-set";
    if early {
        fetch(&url).await?;
    }
    let value = store.get(&key).map_err(|error| json::case_name(&error))?;
    if !early {
        fetch(&url).await?;
    }
    let count: i64 = value
        .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
        + 1;
    store
        .set(&key, count.to_string().as_bytes())
        .map_err(|error| json::case_name(&error))?;
    Ok(count.to_string())
}

/// Connects through `wasi:sockets` 0.2. A name is looked up first.
fn socket(addr: &str) -> Result<String, String> {
    match std::net::TcpStream::connect(addr) {
        Ok(_connection) => Ok("true".into()),
        Err(error) => Err(format!("{:?}: {error}", error.kind())),
    }
}
