//! The body of a `PUT`: from bytes to a checked [`Item`], or to the answer that
//! lists every fault.

use std::borrow::Cow;

use crate::json::{Fault, Scanner, Span};
use crate::limits::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use crate::python;
use crate::reply::Reply;
use crate::types::{Input, Item, Location, ValidationError};

/// Reads the item in `body`; a byte order mark before it is ignored.
///
/// # Errors
///
/// The answer to give instead: 422 with every fault in the order of the
/// fields, or 413 for a value over [`MAX_VALUE_BYTES`].
pub fn item(body: &[u8]) -> Result<Item<'_>, Reply> {
    if body.is_empty() {
        return Err(Reply::invalid(vec![ValidationError {
            r#type: "missing",
            loc: vec![Location::Field("body")],
            msg: "Field required",
            input: Input::json("null"),
        }]));
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&body[..error.valid_up_to()]);
            return Err(json_invalid(&valid, Fault(valid.len())));
        }
    };
    let fields = fields(text).map_err(|fault| json_invalid(text, fault))?;
    let Some((key, value)) = fields.members else {
        return Err(Reply::invalid(vec![ValidationError {
            r#type: "model_attributes_type",
            loc: vec![Location::Field("body")],
            msg: "Input should be a valid dictionary or object to extract fields from",
            input: Input::json(python::rewrite(fields.whole)),
        }]));
    };

    let mut faults = Vec::new();
    let key = string_field("key", key, fields.whole, &mut faults);
    if let Some(key) = &key {
        faults.extend(key_fault(key, "body"));
    }
    let value = string_field("value", value, fields.whole, &mut faults);
    match (key, value) {
        (Some(_), Some(value)) if faults.is_empty() && value.len() > MAX_VALUE_BYTES => {
            Err(Reply::value_too_large(value.len()))
        }
        (Some(key), Some(value)) if faults.is_empty() => Ok(Item { key, value }),
        _ => Err(Reply::invalid(faults)),
    }
}

/// What is wrong with `key`, if anything, which came in `part` of the request.
pub(crate) fn key_fault(key: &str, part: &'static str) -> Option<ValidationError> {
    let (r#type, msg) = if key.is_empty() {
        (
            "string_too_short",
            "String should have at least 1 character",
        )
    } else if key.len() > MAX_KEY_BYTES {
        ("string_too_long", "String should have at most 1024 bytes")
    } else {
        return None;
    };
    Some(ValidationError {
        r#type,
        loc: vec![Location::Field(part), Location::Field("key")],
        msg,
        input: Input::string(key),
    })
}

/// A document: the whole value, and the last `key` and `value` in it if it is
/// an object.
struct Fields<'a> {
    whole: Span<'a>,
    members: Option<(Option<Span<'a>>, Option<Span<'a>>)>,
}

fn fields(text: &str) -> Result<Fields<'_>, Fault> {
    let mut scanner = Scanner::new(text);
    scanner.skip_whitespace();
    let fields = if scanner.peek() == Some(b'{') {
        let (mut key, mut value) = (None, None);
        let whole = scanner.object(|scanner, name| {
            let span = Some(scanner.value()?);
            match name.as_string().as_deref() {
                Some("key") => key = span,
                Some("value") => value = span,
                _ => {}
            }
            Ok(())
        })?;
        Fields {
            whole,
            members: Some((key, value)),
        }
    } else {
        Fields {
            whole: scanner.value()?,
            members: None,
        }
    };
    scanner.finish()?;
    Ok(fields)
}

fn string_field<'a>(
    name: &'static str,
    field: Option<Span<'a>>,
    whole: Span<'a>,
    faults: &mut Vec<ValidationError>,
) -> Option<Cow<'a, str>> {
    let (r#type, msg, at_fault) = match field {
        None => ("missing", "Field required", whole),
        Some(span) => match span.as_string() {
            Some(text) => return Some(text),
            None => ("string_type", "Input should be a valid string", span),
        },
    };
    faults.push(ValidationError {
        r#type,
        loc: vec![Location::Field("body"), Location::Field(name)],
        msg,
        input: Input::json(python::rewrite(at_fault)),
    });
    None
}

fn json_invalid(text: &str, Fault(at): Fault) -> Reply {
    Reply::invalid(vec![ValidationError {
        r#type: "json_invalid",
        loc: vec![
            Location::Field("body"),
            Location::Offset(text[..at].chars().count()),
        ],
        msg: "JSON decode error",
        input: Input::json("{}"),
    }])
}

#[cfg(test)]
mod tests;
