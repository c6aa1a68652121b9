//! What the host itself answers under `/.well-known/`: in `spin/`, as `spin up` does, whether the server answers and what it
//! runs; in `spindrift/`, for probes, whether it is live and ready. None of it takes a place among the requests that may be
//! under way, so that load alone makes no probe fail, and probes are answered while the process still starts.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use spindrift_app::{Application, RESERVED};

use super::health::Health;
use super::host_answer::HostAnswer;
use super::problem::Problem;
use super::response::GatewayBody;

const LIVE: &str = "/.well-known/spindrift/live";
const READY: &str = "/.well-known/spindrift/ready";
const STARTED: &str = "/.well-known/spindrift/started";
const HEALTH: &str = "/.well-known/spin/health";
const INFO: &str = "/.well-known/spin/info";

/// The paths that the host itself answers, with the answer of each as Markdown.
pub const WELL_KNOWN: [(&str, &str); 5] = [
    (LIVE, "200 for as long as the process answers."),
    (
        READY,
        "200 if clients should send requests to this node, else 503. The body says why not.",
    ),
    (
        STARTED,
        "200 as soon as the node is ready, and 20 s after its start at the latest. The answer waits for that.",
    ),
    (HEALTH, "200 and `OK` once the host serves the application."),
    (
        INFO,
        "200 and the application's name and version as JSON, once the host serves the application.",
    ),
];

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
        (LIVE, _) => probe(health.live()),
        (READY, _) => probe(health.ready()),
        (STARTED, _) => probe(health.start_is_over().await),
        (_, None) => return None,
        (HEALTH, _) => (StatusCode::OK, TEXT, Bytes::from_static(b"OK")),
        (INFO, Some(info)) => (StatusCode::OK, "application/json", info.clone()),
        _ => return Some(Err(Problem::NotFound)),
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = Response::new(GatewayBody::full(Bytes::from_static(
            br#"{"detail":"Method Not Allowed"}"#,
        )));
        *response.status_mut() = HostAnswer::OtherMethod.status();
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
