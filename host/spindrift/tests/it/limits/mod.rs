//! Every limit: what breaches it is told so, and nobody else notices.

mod admin;
mod bodies;
mod capacity;
mod clients;
mod deadlines;
mod descriptors;
mod guests;
mod heads;
mod idle;
mod memory;
mod slow_bodies;
mod slow_readers;
mod store_size;
mod transactions;
mod unread;

use crate::harness::Answer;

/// The detail of an error that the host answered with; the answer is checked against the form of all of them.
fn detail(answer: &Answer, status: u16) -> String {
    let json = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    let detail = json["detail"]
        .as_str()
        .unwrap_or_else(|| panic!("no detail: {json}"));
    assert!(!detail.is_empty());
    let id = &json["request_id"];
    if status >= 500 {
        let id = id
            .as_str()
            .unwrap_or_else(|| panic!("no request id: {json}"));
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    } else {
        assert!(id.is_null(), "{json}");
    }
    let retry_after = if status == 503 { "1" } else { "" };
    assert_eq!(answer.header("retry-after"), retry_after, "{answer:?}");
    detail.to_owned()
}
