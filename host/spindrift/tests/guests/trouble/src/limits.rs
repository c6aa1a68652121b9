//! Handlers that take more than a guest may have: time, memory, stack, header bytes.

use std::hint::black_box;
use std::mem::forget;

use guest_request::json;
use guest_response03::{whole, with_headers};
use spin_sdk::http::{HeaderMap, HeaderName, HeaderValue};
use spin_sdk::wasip3::http::types::{Fields, Response};
use spin_sdk::wasip3::wit_stream;

const MEBIBYTE: usize = 1 << 20;

/// Loops for ever.
pub fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory one mebibyte at a time, writes to every byte of it, and gives it back. Traps when it gets none.
pub fn alloc(mebibytes: u64) -> Response {
    let blocks: Vec<Vec<u8>> = (0..mebibytes)
        .map(|_| black_box(vec![1; MEBIBYTE]))
        .collect();
    whole(200, json::ok(black_box(blocks).len().to_string()))
}

/// Answers with a body of so many bytes, which the guest has in its memory as a whole.
pub fn long(bytes: usize) -> Response {
    whole(200, "a".repeat(bytes))
}

/// Calls itself until the stack is used up.
pub fn recurse() -> Response {
    whole(200, json::ok(deeper(0).to_string()))
}

#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    // The sum after the call keeps the compiler from making a loop of it.
    deeper(black_box(frame[0] + 1)) + black_box(frame)[1]
}

/// Answers with one header of so many bytes.
pub fn huge_header(bytes: usize) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-huge",
        HeaderValue::try_from("a".repeat(bytes)).expect("letters make a header value"),
    );
    with_headers(200, headers, json::ok("true"))
}

/// Answers with so many headers.
pub fn many_headers(count: u64) -> Response {
    let mut headers = HeaderMap::new();
    for number in 0..count {
        let name = HeaderName::try_from(format!("x-number-{number}"))
            .expect("letters and digits make a header name");
        headers.insert(name, HeaderValue::from(number));
    }
    with_headers(200, headers, json::ok("true"))
}

/// So many resources of the host, each with a value of so many bytes.
pub fn fields(count: u64, bytes: u64) -> Vec<Fields> {
    let value = vec![b'a'; bytes as usize];
    let fields = (0..count).map(|_| {
        let fields = Fields::new();
        fields
            .append("x-value", &value)
            .expect("no more than fields may have");
        fields
    });
    fields.collect()
}

/// Makes so many resources of the host and drops none, as with a garbage collector that does not run.
pub fn leak_fields(times: u64) -> Response {
    for _ in 0..times {
        forget(Fields::new());
    }
    whole(200, json::ok("true"))
}

/// The same with streams.
pub fn leak_streams(times: u64) -> Response {
    for _ in 0..times {
        forget(wit_stream::new::<u8>());
    }
    whole(200, json::ok("true"))
}
