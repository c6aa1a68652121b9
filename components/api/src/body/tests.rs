//! Bodies that the original was asked with, and those for which the answers
//! differ from its own on purpose.

mod recorded;

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::recorded::{ACCEPTED, FIELDS, JSON_INVALID, MODEL_ATTRIBUTES_TYPE};
use super::*;

fn refusal(body: &[u8]) -> (u16, String) {
    let reply = item(body).unwrap_err();
    (reply.status, String::from_utf8(reply.body).unwrap())
}

fn fault(body: &[u8]) -> Value {
    let (status, text) = refusal(body);
    assert_eq!(status, 422, "{}", body.escape_ascii());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_empty_body_is_missing() {
    assert_eq!(
        refusal(b""),
        (
            422,
            r#"{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}"#
                .to_owned()
        )
    );
}

#[test]
fn what_is_no_json_is_refused_at_the_recorded_offset() {
    let mut wrong = String::new();
    for (body, offset) in JSON_INVALID {
        let expected = format!(
            r#"{{"detail":[{{"type":"json_invalid","loc":["body",{offset}],"msg":"JSON decode error","input":{{}}}}]}}"#
        );
        let (status, text) = refusal(body);
        if (status, &text) != (422, &expected) {
            writeln!(wrong, "{}: {text}, not {offset}", body.escape_ascii()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_no_object_is_refused_and_quoted_as_recorded() {
    for (body, input) in MODEL_ATTRIBUTES_TYPE {
        assert_eq!(
            refusal(body),
            (
                422,
                format!(
                    r#"{{"detail":[{{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":{input}}}]}}"#
                )
            )
        );
    }
}

#[test]
fn wrong_fields_are_listed_as_recorded() {
    for (body, answer) in FIELDS {
        assert_eq!(refusal(body), (422, (*answer).to_owned()));
    }
}

#[test]
fn items_are_accepted_as_recorded() {
    for (body, key) in ACCEPTED {
        assert_eq!(item(body).unwrap().key, *key, "{}", body.escape_ascii());
    }
}

// From here on, the original answers otherwise, or not at all.

// It accepts an empty key, which could not be read back.
#[test]
fn an_empty_key_is_listed_with_the_other_faults() {
    assert_eq!(
        fault(br#"{"key":""}"#),
        json!({"detail": [
            {
                "type": "string_too_short",
                "loc": ["body", "key"],
                "msg": "String should have at least 1 character",
                "input": "",
            },
            {
                "type": "missing",
                "loc": ["body", "value"],
                "msg": "Field required",
                "input": {"key": ""},
            },
        ]})
    );
}

#[test]
fn a_key_is_bounded_in_bytes() {
    let body = |characters| json!({"key": "é".repeat(characters), "value": ""}).to_string();
    assert!(item(body(MAX_KEY_BYTES / 2).as_bytes()).is_ok());
    let fault = fault(body(MAX_KEY_BYTES / 2 + 1).as_bytes());
    assert_eq!(fault["detail"][0]["type"], "string_too_long");
    assert_eq!(fault["detail"][0]["loc"], json!(["body", "key"]));
}

#[test]
fn a_value_over_the_limit_is_a_413_that_names_it() {
    let body = |bytes| json!({"key": "k", "value": "v".repeat(bytes)}).to_string();
    assert!(item(body(MAX_VALUE_BYTES).as_bytes()).is_ok());
    let (status, text) = refusal(body(MAX_VALUE_BYTES + 1).as_bytes());
    assert_eq!(status, 413);
    assert!(text.contains("1048576"), "{text}");
}

// It answers 400, or 500 for what it parses and cannot write again, or stores
// half a surrogate pair and fails to read it back.
#[test]
fn what_json_does_not_allow_is_no_json() {
    for (body, offset) in [
        (&b"{\"key\":\"\xff\"}"[..], 8),
        (b"\xff", 0),
        (b"\"\xc3\xa9\xe2\x82", 2),
        (b"{\"key\":NaN,\"value\":\"v\"}", 7),
        (b"[1,-Infinity]", 3),
        (b"{\"key\":\"k\",\"value\":\"\\ud800\"}", 21),
        (b"\"\\udc00\\ud800\"", 2),
        (b"\"\\ud83d\\u0041\"", 2),
        // A fault that the original sees is told as it tells it.
        (b"[NaN,]", 5),
        (b"{\x00}\x00", 1),
    ] {
        let fault = fault(body);
        assert_eq!(fault["detail"][0]["type"], "json_invalid");
        assert_eq!(
            fault["detail"][0]["loc"],
            json!(["body", offset]),
            "{}",
            body.escape_ascii()
        );
    }
}

// It answers 400 or 500.
#[test]
fn numbers_beyond_pythons_are_quoted_as_written() {
    for number in ["1E400", "-1e999", &"9".repeat(5000)] {
        let (_, text) = refusal(format!(r#"{{"key":{number},"value":"v"}}"#).as_bytes());
        assert!(text.contains(&format!(r#""input":{number}}}"#)), "{text}");
    }
}

// It answers 400 somewhere below a depth of a thousand.
#[test]
fn nesting_is_refused_where_it_gets_too_deep() {
    let fault = fault(format!(r#"{{"x":{}"#, "[".repeat(100_000)).as_bytes());
    assert_eq!(fault["detail"][0]["type"], "json_invalid");
    assert_eq!(fault["detail"][0]["loc"], json!(["body", 132]));
}

proptest! {
    #[test]
    fn any_item_is_read_back(key in ".{1,40}", value in any::<String>()) {
        let body = serde_json::to_vec(&json!({"key": key, "value": value, "x": [null]})).unwrap();
        let item = item(&body).unwrap();
        prop_assert_eq!(item.key, key);
        prop_assert_eq!(item.value, value);
    }

    #[test]
    fn any_bytes_get_an_answer_that_is_json(body in any::<Vec<u8>>()) {
        if let Err(reply) = item(&body) {
            prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
        }
    }

    #[test]
    fn any_value_that_is_no_string_is_quoted(value in any_json(), key in any_json()) {
        let body = json!({"key": key, "value": value});
        if let Err(reply) = item(body.to_string().as_bytes()) {
            let answer: Value = serde_json::from_slice(&reply.body).unwrap();
            for fault in answer["detail"].as_array().unwrap() {
                let field = fault["loc"][1].as_str().unwrap();
                prop_assert_eq!(&fault["input"], &body[field]);
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Halves and quarters: serde_json reads not every float back.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        ".{1,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
