//! The yardstick of `scripts/bench.sh`: the same HTTP API as the components, written natively (axum and a concurrent
//! map), with no WebAssembly, no transactions and no limits but the size of a body. What separates it from `spindrift`
//! in one benchmark run is what the host costs.
//!
//! It answers as the application does where a benchmark or a careful reader looks: 200, 404, 405, 413, and 422 for a
//! body that cannot be stored. It leaves the OpenAPI document and the finer points of validation to the components.
//!
//! `cargo run --release --example native_twin -- --listen 127.0.0.1:3000`

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, put};
use axum::serve::ListenerExt;
use clap::Parser;
use dashmap::DashMap;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The longest key, in bytes; the components' limit too.
const MAX_KEY_BYTES: usize = 1024;

/// The largest request body, in bytes: a value of 1 MiB, and room for the JSON around it.
const MAX_BODY_BYTES: usize = (1 << 20) + (64 << 10);

#[derive(Parser)]
#[command(about = "The API of the components as a native server, for benchmarks")]
struct Arguments {
    /// The address to serve on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDR")]
    listen: SocketAddr,
}

type Store = Arc<DashMap<String, String>>;

/// An entry as a client reads it.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    value: &'a str,
}

/// What a write answers.
#[derive(Serialize)]
struct Message {
    message: String,
}

/// One fault of a request, as FastAPI words it.
#[derive(Serialize)]
struct Fault {
    r#type: &'static str,
    loc: Value,
    msg: &'static str,
    input: Value,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Arguments::parse().listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("native_twin: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("native_twin serves http://{}", listener.local_addr()?);
    // A small answer leaves at once, as it does from the host.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("native_twin: TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, router()).await
}

fn router() -> Router {
    Router::new()
        .route("/put", put(put_entry))
        .route("/get/{key}", get(get_entry))
        .route("/delete/{key}", delete(delete_entry))
        .fallback(|| async { detail(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Store::default())
}

// The body is taken as bytes, not through axum's `Json`, because any content type is accepted.
async fn put_entry(State(store): State<Store>, body: Bytes) -> Response {
    let (key, value) = match parse_entry(&body) {
        Ok(entry) => entry,
        Err(faults) => return unprocessable(faults),
    };
    if let Some(fault) = key_fault(&key, "body") {
        return unprocessable(vec![fault]);
    }
    let message = format!("Key '{key}' added/updated successfully.");
    store.insert(key, value);
    Json(Message { message }).into_response()
}

async fn get_entry(State(store): State<Store>, Path(key): Path<String>) -> Response {
    if let Some(fault) = key_fault(&key, "path") {
        return unprocessable(vec![fault]);
    }
    match store.get(&key) {
        Some(value) => Json(Entry {
            key: &key,
            value: value.value(),
        })
        .into_response(),
        None => detail(StatusCode::NOT_FOUND, "Key not found."),
    }
}

async fn delete_entry(State(store): State<Store>, Path(key): Path<String>) -> Response {
    if let Some(fault) = key_fault(&key, "path") {
        return unprocessable(vec![fault]);
    }
    match store.remove(&key) {
        Some(_) => {
            let message = format!("Key '{key}' deleted successfully.");
            Json(Message { message }).into_response()
        }
        None => detail(StatusCode::NOT_FOUND, "Key not found."),
    }
}

/// The key and value of a body, or every fault that it has.
fn parse_entry(body: &[u8]) -> Result<(String, String), Vec<Fault>> {
    if body.is_empty() {
        return Err(vec![missing(json!(["body"]), Value::Null)]);
    }
    let Ok(parsed) = serde_json::from_slice::<Value>(body) else {
        return Err(vec![Fault {
            r#type: "json_invalid",
            loc: json!(["body", 0]),
            msg: "JSON decode error",
            input: json!({}),
        }]);
    };
    let Value::Object(mut object) = parsed else {
        return Err(vec![Fault {
            r#type: "model_attributes_type",
            loc: json!(["body"]),
            msg: "Input should be a valid dictionary or object to extract fields from",
            input: parsed,
        }]);
    };
    match (object.remove("key"), object.remove("value")) {
        (Some(Value::String(key)), Some(Value::String(value))) => Ok((key, value)),
        (key, value) => {
            let original = restored(object, &key, &value);
            let faults = [("key", key), ("value", value)].into_iter();
            Err(faults
                .filter_map(|(name, field)| field_fault(name, field, &original))
                .collect())
        }
    }
}

/// The object as it came, since a missing field's fault shows all of it.
fn restored(
    mut object: serde_json::Map<String, Value>,
    key: &Option<Value>,
    value: &Option<Value>,
) -> Value {
    for (name, field) in [("key", key), ("value", value)] {
        if let Some(field) = field {
            object.insert(name.into(), field.clone());
        }
    }
    Value::Object(object)
}

fn field_fault(name: &str, field: Option<Value>, original: &Value) -> Option<Fault> {
    match field {
        Some(Value::String(_)) => None,
        Some(input) => Some(Fault {
            r#type: "string_type",
            loc: json!(["body", name]),
            msg: "Input should be a valid string",
            input,
        }),
        None => Some(missing(json!(["body", name]), original.clone())),
    }
}

fn missing(loc: Value, input: Value) -> Fault {
    Fault {
        r#type: "missing",
        loc,
        msg: "Field required",
        input,
    }
}

fn key_fault(key: &str, place: &str) -> Option<Fault> {
    let (r#type, msg) = match key.len() {
        0 => (
            "string_too_short",
            "String should have at least 1 character",
        ),
        1..=MAX_KEY_BYTES => return None,
        _ => (
            "string_too_long",
            "String should have at most 1024 characters",
        ),
    };
    Some(Fault {
        r#type,
        loc: json!([place, "key"]),
        msg,
        input: json!(key),
    })
}

fn unprocessable(faults: Vec<Fault>) -> Response {
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        Json(json!({ "detail": faults })),
    )
        .into_response()
}

fn detail(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "detail": text }))).into_response()
}
