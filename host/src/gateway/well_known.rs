//! What the host itself answers under `/.well-known/`: in `spin/`, as `spin up` does, whether the server answers and what it
//! runs; in `spindrift/`, for probes, whether it is live and ready. None of it takes a place among the requests that may be
//! under way, so that load alone makes no probe fail.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::health::Health;
use super::problem::Problem;
use super::response::GatewayBody;
use crate::app::{Application, RESERVED};

/// What is answered there.
pub struct WellKnown {
    /// Made once.
    info: Bytes,
    health: Health,
}

impl WellKnown {
    /// Prepares the answers for an application in a process of this health.
    pub fn new(application: &Application, health: Health) -> Self {
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
        WellKnown {
            info: serde_json::to_vec(&info).unwrap_or_default().into(),
            health,
        }
    }

    /// The health of the process.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Answers `method` for `path`; nothing where the path is the application's.
    pub fn answer(
        &self,
        method: &Method,
        path: &str,
    ) -> Option<Result<Response<GatewayBody>, Problem>> {
        let reserved = RESERVED.iter().any(|prefix| path.starts_with(prefix));
        reserved.then(|| self.answer_reserved(method, path))
    }

    fn answer_reserved(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<Response<GatewayBody>, Problem> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let probe = |(status, body): (StatusCode, String)| (status, TEXT, Bytes::from(body));
        let (status, content_type, body) = match path {
            "/.well-known/spin/health" => (StatusCode::OK, TEXT, Bytes::from_static(b"OK")),
            "/.well-known/spin/info" => (StatusCode::OK, "application/json", self.info.clone()),
            "/.well-known/spindrift/live" => probe(self.health.live()),
            "/.well-known/spindrift/ready" => probe(self.health.ready()),
            _ => return Err(Problem::NotFound),
        };
        if method != Method::GET && method != Method::HEAD {
            let mut response = Response::new(GatewayBody::full(Bytes::from_static(
                br#"{"detail":"Method Not Allowed"}"#,
            )));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        let mut response = Response::new(GatewayBody::full(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(response)
    }
}
