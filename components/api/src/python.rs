//! JSON as Python writes it: a 422 quotes the value at fault the way the
//! original would, after it has been through Python's parser and writer.
//!
//! So white space goes, escapes that are not needed go, a repeated name keeps
//! its first place and its last value, and `1E2` reads `100.0`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use crate::json::{Fault, Kind, Scanner, Span};

/// Rewrites `value`, which a [`Scanner`] has found to be well-formed.
pub fn rewrite(value: Span<'_>) -> String {
    let mut out = String::with_capacity(value.text.len());
    // It was well-formed before, so it is now.
    let _ = write_value(&mut Scanner::new(value.text), &mut out);
    out
}

/// Writes `text` as a JSON string, escaping only what must be.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(found) = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
        out.push_str(&rest[..found]);
        match rest.as_bytes()[found] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[found + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn write_value(scanner: &mut Scanner<'_>, out: &mut String) -> Result<(), Fault> {
    match scanner.peek() {
        Some(b'[') => {
            out.push('[');
            let start = out.len();
            scanner.array(|scanner| {
                if out.len() > start {
                    out.push(',');
                }
                write_value(scanner, out)
            })?;
            out.push(']');
        }
        Some(b'{') => write_object(scanner, out)?,
        _ => {
            let value = scanner.value()?;
            match value.kind {
                Kind::String { .. } => write_string(&value.as_string().unwrap_or_default(), out),
                Kind::Integer if value.text == "-0" => out.push('0'),
                Kind::Float => write_float(value.text, out),
                _ => out.push_str(value.text),
            }
        }
    }
    Ok(())
}

fn write_object(scanner: &mut Scanner<'_>, out: &mut String) -> Result<(), Fault> {
    out.push('{');
    let start = out.len();
    // The members in order, as ranges of what is written, and their places.
    let mut members: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut places: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    let mut repeated = false;
    scanner.object(|scanner, name| {
        let name = name.as_string().unwrap_or_default();
        if out.len() > start {
            out.push(',');
        }
        let from = out.len() - start;
        write_string(&name, out);
        out.push(':');
        let middle = out.len() - start;
        write_value(scanner, out)?;
        let to = out.len() - start;
        match places.get(&name) {
            Some(&place) => {
                repeated = true;
                members[place].1 = middle..to;
            }
            None => {
                places.insert(name, members.len());
                members.push((from..middle, middle..to));
            }
        }
        Ok(())
    })?;
    if repeated {
        let written = out.split_off(start);
        for (name, value) in members {
            if out.len() > start {
                out.push(',');
            }
            out.push_str(&written[name]);
            out.push_str(&written[value]);
        }
    }
    out.push('}');
    Ok(())
}

/// Writes a float as Python's `repr`: the shortest digits that read back, with
/// an exponent below 1e-4 and from 1e16.
fn write_float(text: &str, out: &mut String) {
    let float: f64 = text.parse().unwrap_or(f64::INFINITY);
    if !float.is_finite() {
        // Python has no JSON for it; the number as written is the truth.
        out.push_str(text);
        return;
    }
    let shortest = format!("{float:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Writing to a string cannot fail.
    let _ = if (-4..16).contains(&exponent) {
        write!(out, "{float:?}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs())
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(text: &str) -> String {
        rewrite(Scanner::new(text).value().unwrap())
    }

    #[test]
    fn floats_read_as_in_python() {
        // Left: JSON. Right: what Python 3.11 prints for it.
        for (json, python) in [
            ("1e5", "100000.0"),
            ("1E+2", "100.0"),
            ("-0.0", "-0.0"),
            ("1e22", "1e+22"),
            ("1e16", "1e+16"),
            ("1e15", "1000000000000000.0"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("1e-7", "1e-07"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("100000000000000000000.0", "1e+20"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("123456789.123456789", "123456789.12345679"),
            ("1e400", "1e400"),
        ] {
            assert_eq!(rewritten(json), python);
        }
    }

    #[test]
    fn a_repeated_name_keeps_its_first_place_and_last_value() {
        assert_eq!(
            rewritten(r#"{"a":1, "\u0061" : 2,"b":[ ],"a":{ }}"#),
            r#"{"a":{},"b":[]}"#
        );
    }

    proptest! {
        #[test]
        fn strings_are_written_as_serde_writes_them(text in any::<String>()) {
            let mut out = String::new();
            write_string(&text, &mut out);
            prop_assert_eq!(out, serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn floats_keep_their_value(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let json = rewritten(&format!("{float:e}"));
            prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), float.to_bits());
        }
    }
}
