//! `/.well-known/spin/`: whether the server answers, and what it runs.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::problem::Problem;
use super::response::GatewayBody;
use crate::app::Application;

/// The prefix that no application can route.
pub const PREFIX: &str = "/.well-known/spin/";

/// The answers, made once.
pub struct WellKnown {
    info: Bytes,
}

impl WellKnown {
    /// Prepares the answers for an application.
    pub fn new(application: &Application) -> Self {
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
        }
    }

    /// Answers `method` for what follows [`PREFIX`] in the path.
    pub fn answer(&self, method: &Method, rest: &str) -> Result<Response<GatewayBody>, Problem> {
        let (content_type, body) = match rest {
            "health" => ("text/plain; charset=utf-8", Bytes::from_static(b"OK")),
            "info" => ("application/json", self.info.clone()),
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
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(response)
    }
}
