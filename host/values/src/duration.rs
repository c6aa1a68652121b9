//! Durations as `spin up` writes them: a whole number of seconds, or one with a unit.

use std::time::Duration;

/// Reads `5`, `5s`, `250ms`, `10us`, `10μs` or `10ns`. A number without a unit is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let make = match unit {
        "" | "s" => Duration::from_secs,
        "ms" => Duration::from_millis,
        // Both the micro sign and the Greek letter are what keyboards give.
        "us" | "\u{b5}s" | "\u{3bc}s" => Duration::from_micros,
        "ns" => Duration::from_nanos,
        _ => return Err(refusal(text)),
    };
    number.parse().map(make).map_err(|_| refusal(text))
}

/// As [`parse`], and longer than nothing.
pub fn parse_non_zero(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        duration => Ok(duration),
    }
}

fn refusal(text: &str) -> String {
    format!("{text:?} is not a duration: write whole seconds, or a number with s, ms, us, μs or ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("30", Duration::from_secs(30)),
            ("30s", Duration::from_secs(30)),
            ("250ms", Duration::from_millis(250)),
            ("7us", Duration::from_micros(7)),
            ("7\u{b5}s", Duration::from_micros(7)),
            ("7\u{3bc}s", Duration::from_micros(7)),
            ("9ns", Duration::from_nanos(9)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refusals_quote_what_was_given() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1m",
            "1h",
            "1 s",
            "99999999999999999999",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{text}: {error}");
        }
        assert!(parse_non_zero("0ms").is_err());
        assert_eq!(parse_non_zero("1ms"), Ok(Duration::from_millis(1)));
    }
}
