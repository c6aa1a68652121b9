//! Errors, as a `Status`, which is what every client of Kubernetes reads.

use axum::body::Body;
use http::Response;
use serde_json::{Value, json};

/// Why a request is not done.
#[derive(Clone, Debug)]
pub struct Problem {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Problem {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
        }
    }

    pub fn conflict(name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on \"{name}\": the object has been modified; please apply your changes to the \
             latest version and try again"
        );
        Self::new(409, "Conflict", message)
    }

    pub fn expired(version: u64) -> Self {
        let message = format!("too old resource version: {version}");
        Self::new(410, "Expired", message)
    }

    /// A failure of the server itself.
    pub fn failing(code: u16) -> Self {
        let reason = match code {
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        Self::new(code, reason, "the server is not well")
    }

    pub fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }

    pub fn response(&self) -> Response<Body> {
        json_response(self.code, &self.status())
    }
}

/// A response with a JSON body.
pub fn json_response(code: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a response")
}
