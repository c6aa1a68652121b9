//! JSON answers, written by hand so that no guest carries a JSON library.

use std::fmt::Debug;

/// `{"ok": value}`; `value` is JSON.
pub fn ok(value: impl AsRef<str>) -> String {
    format!(r#"{{"ok":{}}}"#, value.as_ref())
}

/// `{"error": name}`; `name` is text.
pub fn error(name: impl AsRef<str>) -> String {
    format!(r#"{{"error":{}}}"#, string(name.as_ref()))
}

/// A JSON string.
pub fn string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\u{0}'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", character as u32)),
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

/// Bytes as a JSON string (what is no UTF-8 is replaced), absence as `null`.
pub fn bytes(value: Option<impl AsRef<[u8]>>) -> String {
    value.map_or("null".into(), |value| {
        string(&String::from_utf8_lossy(value.as_ref()))
    })
}

/// A JSON array; `values` are JSON.
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// A JSON object; the names are text, the values JSON.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", string(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// The WIT name of a generated variant's case, from what its `Debug` writes: `ErrorCode::DnsError(…)` is
/// `dns-error: …`. For the variants with too many cases to spell out.
pub fn case_name(case: &impl Debug) -> String {
    let debug = format!("{case:?}");
    let (path, payload) = match debug.split_once('(') {
        Some((path, payload)) => (path, payload.strip_suffix(')')),
        None => (debug.as_str(), None),
    };
    let mut name = String::new();
    for character in path.rsplit("::").next().unwrap_or_default().chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    match payload {
        Some(payload) => format!("{name}: {}", payload.trim_matches('"')),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(string("a\"b\\c\n é"), r#""a\"b\\c\u000a é""#);
        assert_eq!(bytes(Some([0x61, 0xff])), "\"a\u{fffd}\"");
        assert_eq!(bytes(None::<Vec<u8>>), "null");
        assert_eq!(
            object([("a", array(["1".into(), string("x")])), ("b", "{}".into())]),
            r#"{"a":[1,"x"],"b":{}}"#
        );
    }

    #[test]
    fn answers() {
        assert_eq!(ok("null"), r#"{"ok":null}"#);
        assert_eq!(error("other: no \"x\""), r#"{"error":"other: no \"x\""}"#);
    }

    #[test]
    fn names_of_cases() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "read through Debug only")]
        enum ErrorCode {
            HttpRequestDenied,
            InternalError(Option<&'static str>),
        }
        assert_eq!(
            case_name(&ErrorCode::HttpRequestDenied),
            "http-request-denied"
        );
        assert_eq!(
            case_name(&ErrorCode::InternalError(Some("x(1)"))),
            "internal-error: Some(\"x(1)\")"
        );
        assert_eq!(
            case_name(&format_args!("Error::Other(\"gone\")")),
            "other: gone"
        );
    }
}
