//! The path of a request: the key in it, percent-decoded.

use std::borrow::Cow;

use crate::body::key_fault;
use crate::reply::Reply;
use crate::types::{Input, Location, ValidationError};

/// The path without its query, as sent.
pub fn without_query(path_with_query: &str) -> &str {
    path_with_query
        .split_once('?')
        .map_or(path_with_query, |(path, _)| path)
}

/// The one path segment after `prefix`, still encoded.
///
/// # Errors
///
/// 404 if the path has another form: another prefix, an empty segment, or more
/// than one.
pub fn segment<'a>(path_with_query: &'a str, prefix: &str) -> Result<&'a str, Reply> {
    without_query(path_with_query)
        .strip_prefix(prefix)
        .filter(|segment| !segment.is_empty() && !segment.contains('/'))
        .ok_or_else(Reply::not_found)
}

/// The key that `segment` stands for. `+` is a plus sign, and a `%` that two
/// hexadecimal digits do not follow is a per cent sign.
///
/// # Errors
///
/// 422 if the key is not UTF-8 or too long.
pub fn key(segment: &str) -> Result<Cow<'_, str>, Reply> {
    let key = if segment.contains('%') {
        match String::from_utf8(percent_decode(segment)) {
            Ok(key) => Cow::Owned(key),
            Err(_) => {
                return Err(Reply::invalid(vec![ValidationError {
                    r#type: "string_unicode",
                    loc: vec![Location::Field("path"), Location::Field("key")],
                    msg: "Input should be a valid string, unable to parse raw data as a unicode string",
                    input: Input::string(segment),
                }]));
            }
        }
    } else {
        Cow::Borrowed(segment)
    };
    match key_fault(&key, "path") {
        None => Ok(key),
        Some(fault) => Err(Reply::invalid(vec![fault])),
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| {
        let digit = char::from(*byte?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = match byte {
            b'%' => digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2))),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(segment: &str) -> (u16, serde_json::Value) {
        let reply = key(segment).unwrap_err();
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    #[test]
    fn a_path_has_one_segment_after_the_prefix() {
        assert_eq!(segment("/get/a%2Fb?x=/y", "/get/").unwrap(), "a%2Fb");
        for path in [
            "/get", "/get/", "/get/a/b", "/get/a/", "/get//", "/gets/a", "/get/?a", "",
        ] {
            assert_eq!(segment(path, "/get/").unwrap_err().status, 404, "{path}");
        }
    }

    #[test]
    fn keys_are_decoded_once() {
        for (encoded, decoded) in [
            ("a%2Fb", "a/b"),
            ("a+b", "a+b"),
            ("%25", "%"),
            ("%252F", "%2F"),
            ("%C3%a9", "é"),
            ("a%zz", "a%zz"),
            ("%", "%"),
            ("%4", "%4"),
            ("%%41", "%A"),
            ("%00", "\0"),
            ("é", "é"),
        ] {
            assert_eq!(key(encoded).unwrap(), decoded);
        }
    }

    #[test]
    fn a_key_that_is_not_utf8_is_refused() {
        let (status, body) = refusal("a%ff");
        assert_eq!(status, 422);
        assert_eq!(
            body,
            serde_json::json!({"detail": [{
                "type": "string_unicode",
                "loc": ["path", "key"],
                "msg": "Input should be a valid string, unable to parse raw data as a unicode string",
                "input": "a%ff",
            }]})
        );
    }

    #[test]
    fn a_key_is_bounded_in_bytes() {
        assert!(key(&"%C3%A9".repeat(512)).is_ok());
        let (status, body) = refusal(&"%C3%A9".repeat(513));
        assert_eq!(status, 422);
        assert_eq!(
            body,
            serde_json::json!({"detail": [{
                "type": "string_too_long",
                "loc": ["path", "key"],
                "msg": "String should have at most 1024 bytes",
                "input": "é".repeat(513),
            }]})
        );
    }

    proptest! {
        #[test]
        fn any_key_comes_back_from_its_encoding(
            text in "\\PC{1,64}|.{1,64}",
            upper in any::<bool>(),
        ) {
            let encoded: String = text
                .bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
                    _ if upper => format!("%{byte:02X}"),
                    _ => format!("%{byte:02x}"),
                })
                .collect();
            prop_assert_eq!(key(&encoded).unwrap(), text);
        }

        #[test]
        fn nothing_makes_it_panic(segment in ".*") {
            let _ = key(&segment);
        }
    }
}
