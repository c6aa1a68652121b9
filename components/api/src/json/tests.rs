use proptest::prelude::*;

use super::*;

fn accepts(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.skip_whitespace();
    scanner.value().is_ok() && scanner.finish().is_ok()
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(accepts(&nested(MAX_JSON_DEPTH)));
    assert_eq!(
        Scanner::new(&nested(MAX_JSON_DEPTH + 1))
            .value()
            .unwrap_err(),
        Fault(MAX_JSON_DEPTH)
    );
}

proptest! {
    #[test]
    fn what_serde_writes_is_accepted_and_read_back(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let mut scanner = Scanner::new(&json);
        let span = scanner.value().unwrap();
        prop_assert!(scanner.finish().is_ok());
        prop_assert_eq!(span.as_string().unwrap(), text);
    }

    #[test]
    fn escapes_are_read_as_written(text in any::<String>()) {
        let mut json = String::from("\"");
        for unit in text.encode_utf16() {
            json.push_str(&format!("\\u{unit:04X}"));
        }
        json.push('"');
        let span = Scanner::new(&json).value().unwrap();
        prop_assert_eq!(span.as_string().unwrap(), text);
    }

    // Text made of JSON's own pieces: much of it is nearly well-formed.
    #[test]
    fn accepts_what_serde_accepts(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\n", "\\u12", "\\u00e9",
                "1", "-", "0", ".5", "e+", "E7", "true", "nul", "null", " ", "\n",
                "\u{7f}", "\u{1f}", "é",
            ]),
            0..8,
        )
    ) {
        let text = pieces.concat();
        let serde = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(accepts(&text), serde, "{:?}", text);
    }
}
