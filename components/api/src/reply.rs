//! Every answer that the API gives, as a status and the bytes of a body.

use std::borrow::Cow;

use serde::Serialize;

use crate::limits::{MAX_BODY_BYTES, MAX_VALUE_BYTES};
use crate::types::{HttpError, HttpValidationError, Item, Message, ValidationError};

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// Header fields beside `content-type` and `content-length`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            // These types always serialise; were one not to, the client would
            // get the right status with an empty body.
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }

    /// 200: the item under `key`.
    pub fn item(key: &str, value: &str) -> Self {
        Self::json(
            200,
            &Item {
                key: Cow::Borrowed(key),
                value: Cow::Borrowed(value),
            },
        )
    }

    /// 200: `key` now has a value.
    pub fn stored(key: &str) -> Self {
        Self::message(key, "' added/updated successfully.")
    }

    /// 200: `key` has no value any more.
    pub fn deleted(key: &str) -> Self {
        Self::message(key, "' deleted successfully.")
    }

    fn message(key: &str, what: &str) -> Self {
        let message = ["Key '", key, what].concat();
        Self::json(200, &Message { message })
    }

    /// An error with a detail for people.
    pub fn error(status: u16, detail: &str) -> Self {
        Self::json(
            status,
            &HttpError {
                detail: detail.to_owned(),
            },
        )
    }

    /// 404: no value under the key.
    pub fn key_not_found() -> Self {
        Self::error(404, "Key not found.")
    }

    /// 404: the API has no such path.
    pub fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// 405: the path takes the methods in `allow` only.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let mut reply = Self::error(405, "Method Not Allowed");
        reply.headers.push(("allow", Cow::Borrowed(allow)));
        reply
    }

    /// 413: a value of `bytes` bytes is over the limit.
    pub fn value_too_large(bytes: usize) -> Self {
        Self::error(
            413,
            &format!("value too large: {bytes} bytes; the limit is {MAX_VALUE_BYTES} bytes"),
        )
    }

    /// 413: the body is over the limit.
    pub fn body_too_large() -> Self {
        Self::error(
            413,
            &format!("request body too large; the limit is {MAX_BODY_BYTES} bytes"),
        )
    }

    /// 422: every fault of the request.
    pub fn invalid(detail: Vec<ValidationError>) -> Self {
        Self::json(422, &HttpValidationError { detail })
    }

    /// The same answer without its body, for `HEAD`.
    ///
    /// It has no `content-length` either: a host takes the field for the
    /// length of the body that follows, and over HTTP/2 it would break off the
    /// stream when none does.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body = Vec::new();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.body).unwrap()
    }

    #[test]
    fn answers_are_the_originals_to_the_letter() {
        for (reply, status, body) in [
            (Reply::item("k", "v"), 200, r#"{"key":"k","value":"v"}"#),
            (
                Reply::stored("it's \"q\" é\0"),
                200,
                r#"{"message":"Key 'it's \"q\" é\u0000' added/updated successfully."}"#,
            ),
            (
                Reply::deleted("k"),
                200,
                r#"{"message":"Key 'k' deleted successfully."}"#,
            ),
            (
                Reply::key_not_found(),
                404,
                r#"{"detail":"Key not found."}"#,
            ),
            (Reply::not_found(), 404, r#"{"detail":"Not Found"}"#),
            (
                Reply::method_not_allowed("PUT"),
                405,
                r#"{"detail":"Method Not Allowed"}"#,
            ),
        ] {
            assert_eq!((reply.status, text(&reply)), (status, body));
            assert_eq!(reply.content_type, "application/json");
        }
    }

    #[test]
    fn a_405_says_what_is_allowed() {
        assert_eq!(
            Reply::method_not_allowed("GET, HEAD").headers,
            [("allow", Cow::Borrowed("GET, HEAD"))]
        );
    }

    #[test]
    fn a_413_names_the_limit() {
        assert!(text(&Reply::value_too_large(1_048_577)).contains("1048576"));
        assert_eq!(Reply::value_too_large(1_048_577).status, 413);
    }
}
