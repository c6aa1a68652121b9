//! What the host itself answers under `/.well-known/`: in `spin/`, as `spin up` does, whether the server answers and what it
//! runs; in `spindrift/`, for probes, whether it is live and ready. None of it takes a place among the requests that may be
//! under way, so that load alone makes no probe fail, and probes are answered while the process still starts.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use spindrift_app::{Application, RESERVED};

use super::health::Health;
use super::problem::Problem;
use super::response::GatewayBody;

/// What is said of an application at `/.well-known/spin/info`, as JSON.
pub(crate) fn info(application: &Application) -> Bytes {
    #[derive(Serialize)]
    struct Info<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        version: &'a str,
    }
    let info = Info {
        name: &application.name,
        version: &application.version,
    };
    serde_json::to_vec(&info).unwrap_or_default().into()
}

/// Answers `method` for `path` in a process of this health, with what [`info`] says of its application; nothing where the
/// path is the application's, and, as long as there is none, for whoever is no probe.
pub(crate) async fn answer(
    method: &Method,
    path: &str,
    health: &Health,
    info: Option<&Bytes>,
) -> Option<Result<Response<GatewayBody>, Problem>> {
    if !RESERVED.iter().any(|prefix| path.starts_with(prefix)) {
        return None;
    }
    const TEXT: &str = "text/plain; charset=utf-8";
    let probe = |(status, body): (StatusCode, String)| (status, TEXT, Bytes::from(body));
    let (status, content_type, body) = match (path, info) {
        ("/.well-known/spindrift/live", _) => probe(health.live()),
        ("/.well-known/spindrift/ready", _) => probe(health.ready()),
        ("/.well-known/spindrift/started", _) => probe(health.start_is_over().await),
        (_, None) => return None,
        ("/.well-known/spin/health", _) => (StatusCode::OK, TEXT, Bytes::from_static(b"OK")),
        ("/.well-known/spin/info", Some(info)) => {
            (StatusCode::OK, "application/json", info.clone())
        }
        _ => return Some(Err(Problem::NotFound)),
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = Response::new(GatewayBody::full(Bytes::from_static(
            br#"{"detail":"Method Not Allowed"}"#,
        )));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Some(Ok(response));
    }
    let mut response = Response::new(GatewayBody::full(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Some(Ok(response))
}
