//! The answers of the original, FastAPI with Python 3.11, recorded over HTTP: a
//! row is a body and what came back. Left out are the `ctx` of `json_invalid`
//! and the bodies for which the answers differ on purpose.

/// No JSON: the offset in `["body", offset]`.
pub const JSON_INVALID: &[(&[u8], usize)] = &[
    (b" ", 1),
    (b"\n", 1),
    (b"\x00", 0),
    (b"{\"key\":\"k\",}", 11),
    (b"{'key':'k'}", 1),
    (b"{\"key\":\"k\"", 10),
    (b"{\"key\":\"k", 7),
    (b"{\"key\"", 6),
    (b"{\"key\":", 7),
    (b"{", 1),
    (b"[", 1),
    (b"[1", 2),
    (b"[1,", 3),
    (b"[1,]", 3),
    (b"{\"a\":1 \"b\":2}", 7),
    (b"{\"a\" 1}", 5),
    (b"{\"a\":}", 5),
    (b"{a:1}", 1),
    (b"{,}", 1),
    (b"{\"a\":1,,}", 7),
    (b"[,1]", 1),
    (b"[1 2]", 3),
    (b"{} x", 3),
    (b"{}{}", 2),
    (b"1 2", 2),
    (b"\"a\" \"b\"", 4),
    (b"\"\x01\"", 1),
    (b"\"a\nb\"", 2),
    (b"\"\\q\"", 1),
    (b"\"\\u12\"", 2),
    (b"\"\\u12g4\"", 2),
    (b"\"\\uD8\"", 2),
    (b"\"\\", 0),
    (b"\"", 0),
    (b"\"abc", 0),
    (b"tru", 0),
    (b"nul", 0),
    (b"True", 0),
    (b"None", 0),
    (b"-", 0),
    (b"+1", 0),
    (b"01", 1),
    (b"1.", 1),
    (b".5", 0),
    (b"1e", 1),
    (b"1e+", 1),
    (b"- 1", 0),
    (b"0x10", 1),
    (b"nan", 0),
    (b"-NaN", 0),
    (b"Infinit", 0),
    (b"-Inf", 0),
    (
        b"{\"\xc3\xa9\":\"\xe2\x82\xac\",\"\xf0\x9f\x98\x80\" x}",
        13,
    ),
    (b"{\"key\":\"\xf0\x9f\x98\x80\",}", 11),
    (b"\"\xf0\x9f\x98\x80\\q\"", 2),
    (b"\"\xc3\xa9", 0),
    (b"\xc3\xa9", 0),
    (b" \t\r\n{\"key\":\"k\",\"value\":\"v\"}\x0c", 27),
    (b"\x0b{}", 0),
    (b"\xc2\xa0{}", 0),
    (b"// c\n{}", 0),
    (b"key=k&value=v", 0),
    (b"\"\\ud83d\\ude0\"", 8),
    (b"\"\\ud83d\\q\"", 7),
    (b"\"\\u+123\"", 2),
    (b"\"\\u 123\"", 2),
    (b"{\"key\":\"k\",\"value\":\"v\"}\x00", 23),
    (b"{\"a\"\x01:1}", 4),
    (b"{\"a\":1\x01}", 6),
    (b"{\x01", 1),
    (b"[\"a\x1fb\"]", 3),
    (b"[\"a\tb\"]", 3),
    (b"{\"a\":\"b\" \"c\"}", 9),
    (b"{\"a\":\"b\"]", 8),
    (b"[1}", 2),
    (b"{\"a\":1,\"", 7),
    (b"{\"a\":1, ", 8),
    (b"{\"a\":1,", 7),
    (b"{\"a\":1 ", 7),
    (b"[1 ", 3),
    (b"[ ", 2),
    (b"{ ", 2),
    (b"{\"a\" ", 5),
    (b"{\"a\": ", 6),
    (b"[1, ", 4),
    (b"{\"a\":1,}", 7),
    (b"{\"a\":1, }", 8),
    (b"[1, ]", 4),
    (b"{\"a\":1,b}", 7),
    (b"{1:2}", 1),
    (b"[-]", 1),
    (b"[1.]", 2),
    (b"[1e]", 2),
    (b"[01]", 2),
    (b"[tru]", 1),
    (b"{\"a\":tru}", 5),
    (b"{\"a\":01}", 6),
];

/// JSON, but no object: the `input`, which may be written differently.
pub const MODEL_ATTRIBUTES_TYPE: &[(&[u8], &str)] = &[
    (b"[]", "[]"),
    (b"\"str\"", r#""str""#),
    (b"5", "5"),
    (b"5.5", "5.5"),
    (b"-0", "0"),
    (b"-0.0", "-0.0"),
    (b"1e5", "100000.0"),
    (b"true", "true"),
    (b"false", "false"),
    (b"null", "null"),
    (b" null ", "null"),
    (b"[[[[1]]]]", "[[[[1]]]]"),
    (
        b"[{\"key\":\"k\",\"value\":\"v\"}]",
        r#"[{"key":"k","value":"v"}]"#,
    ),
    (b"\"\\u00e9\\uFFFF\"", r#""é￿""#),
];

/// An object with the wrong fields: the whole answer.
pub const FIELDS: &[(&[u8], &str)] = &[
    (
        b"",
        r#"{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}"#,
    ),
    (
        b"{}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{}}]}"#,
    ),
    (
        b"{\"key\":\"k\"}",
        r#"{"detail":[{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"key":"k"}}]}"#,
    ),
    (
        b"{\"value\":\"v\"}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"value":"v"}}]}"#,
    ),
    (
        b"{\"key\":1}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"key":1}}]}"#,
    ),
    (
        b"{\"key\":1,\"value\":\"v\"}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1}]}"#,
    ),
    (
        b"{\"key\":\"k\",\"value\":2.5}",
        r#"{"detail":[{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":2.5}]}"#,
    ),
    (
        b"{\"key\":null,\"value\":[\"x\",{\"a\":1}]}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":null},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":["x",{"a":1}]}]}"#,
    ),
    (
        b"{\"key\":\"k\",\"value\":true}",
        r#"{"detail":[{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":true}]}"#,
    ),
    (
        b"{\"key\":{\"a\":[1,2,null]},\"value\":{}}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":{"a":[1,2,null]}},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":{}}]}"#,
    ),
    (
        b"{\"key\":\"b\",\"key\":1,\"value\":\"v\"}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1}]}"#,
    ),
    (
        b"{\"a\":1,\"a\":2,\"b\":3,\"a\":4}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"a":4,"b":3}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"a":4,"b":3}}]}"#,
    ),
    (
        b"{\"key\":123456789012345678901234567890,\"value\":1.0}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":123456789012345678901234567890},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":1.0}]}"#,
    ),
    (
        b"{\"key\":1e22,\"value\":1e16}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1e+22},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":1e+16}]}"#,
    ),
    (
        b"{\"key\":1e-7,\"value\":0.0001}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1e-07},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":0.0001}]}"#,
    ),
    (
        b"{\"key\":0.1,\"value\":100000000000000000000.0}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":0.1},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":1e+20}]}"#,
    ),
    (
        b"{\"key\":1.7976931348623157e308,\"value\":5e-324}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":1.7976931348623157e+308},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":5e-324}]}"#,
    ),
    (
        b"{\"key\":123456789.123456789,\"value\":1E5}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":123456789.12345679},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":100000.0}]}"#,
    ),
    (
        b"{\"key\":18446744073709551616,\"value\":-9223372036854775809}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":18446744073709551616},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":-9223372036854775809}]}"#,
    ),
    (
        b"{\"value\":3,\"key\":4}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":4},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":3}]}"#,
    ),
    (
        b"{\"value\":3}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"value":3}},{"type":"string_type","loc":["body","value"],"msg":"Input should be a valid string","input":3}]}"#,
    ),
    (
        b"{\"Key\":\"k\",\"VALUE\":\"v\"}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"Key":"k","VALUE":"v"}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"Key":"k","VALUE":"v"}}]}"#,
    ),
    (
        b"{\"key\":[\"a\"],\"value\":\"v\"}",
        r#"{"detail":[{"type":"string_type","loc":["body","key"],"msg":"Input should be a valid string","input":["a"]}]}"#,
    ),
    (
        b"{\"x\":\"\x7f\xe2\x80\xa8<>&/\"}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"x":" <>&/"}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"x":" <>&/"}}]}"#,
    ),
    (
        b"{\"x\":\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"x":"/\b\f\n\r\t\"\\"}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"x":"/\b\f\n\r\t\"\\"}}]}"#,
    ),
    (
        b"{\"x\":1.0,\"y\":1e0,\"z\":-0.0,\"w\":-0,\"v\":1E+2}",
        r#"{"detail":[{"type":"missing","loc":["body","key"],"msg":"Field required","input":{"x":1.0,"y":1.0,"z":-0.0,"w":0,"v":100.0}},{"type":"missing","loc":["body","value"],"msg":"Field required","input":{"x":1.0,"y":1.0,"z":-0.0,"w":0,"v":100.0}}]}"#,
    ),
];

/// Stored: the key.
pub const ACCEPTED: &[(&[u8], &str)] = &[
    (b"{\"key\":\"a\",\"key\":\"b\",\"value\":\"v\"}", "b"),
    (b"{\"key\":1,\"key\":\"b\",\"value\":\"v\"}", "b"),
    (b"{\"key\":\"k\",\"value\":\"\\ud83d\\ude00\"}", "k"),
    (b"\xef\xbb\xbf{\"key\":\"k\",\"value\":\"v\"}", "k"),
    (b"{\"key\":\"k\",\"value\":\"v\",\"other\":[1]}", "k"),
    (b"{\"key\":\"\\u0000\",\"value\":\"\\u0000\"}", "\u{0}"),
    (b"{\"key\":\"\x7f\",\"value\":\"\xe2\x80\xa8\"}", "\u{7f}"),
];
