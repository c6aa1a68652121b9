//! The bodies of requests and answers. The handlers serialise these types and
//! the OpenAPI document is generated from them, so the two cannot disagree.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// A key and its value: the body of a `PUT`, and the answer of a `GET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[cfg_attr(feature = "openapi", schema(title = "Item"))]
pub struct Item<'a> {
    /// The key: 1 to 1,024 bytes of UTF-8.
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = String, min_length = 1, max_length = 1024)
    )]
    pub key: Cow<'a, str>,
    /// The value: at most 1 MiB of UTF-8.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub value: Cow<'a, str>,
}

/// The answer of a successful `PUT` or `DELETE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[cfg_attr(feature = "openapi", schema(title = "Message"))]
pub struct Message {
    /// What was done, for people.
    pub message: String,
}

/// The answer when a request failed for a reason other than its form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = HTTPError, title = "HTTPError"))]
pub struct HttpError {
    /// What went wrong, for people.
    pub detail: String,
}

/// The answer (422) to a request that is not well-formed: every fault in it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(as = HTTPValidationError, title = "HTTPValidationError")
)]
pub struct HttpValidationError {
    /// The faults, in the order of the fields.
    pub detail: Vec<ValidationError>,
}

/// One fault of a request.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(as = ValidationError, title = "ValidationError")
)]
pub struct ValidationError {
    /// The kind of fault, for programs: `missing`, `string_type`, …
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub r#type: &'static str,
    /// Where the fault is: `body` or `path`, then a field or an offset.
    pub loc: Vec<Location>,
    /// What is wrong, for people.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub msg: &'static str,
    /// The value at fault, as it was sent.
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = serde_json::Value)
    )]
    pub input: Input,
}

/// One step on the way to a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
#[serde(untagged)]
pub enum Location {
    /// The part of the request (`body`, `path`) or the name of a field.
    Field(&'static str),
    /// An offset into the body, in characters from 0.
    Offset(usize),
}

/// A value quoted in a [`ValidationError`]: JSON, already written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input(String);

impl Input {
    /// Quotes `json`, which must be one JSON value.
    pub fn json(json: impl Into<String>) -> Self {
        Self(json.into())
    }

    /// Quotes a string.
    pub fn string(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        crate::python::write_string(text, &mut json);
        Self(json)
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
