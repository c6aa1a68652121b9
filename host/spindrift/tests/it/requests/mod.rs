//! How a request reaches a guest, and what the host answers without one.

mod guest_view;
mod protocol;
mod routes;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::Answer;

/// What the guest `trouble` says that it received.
struct Received {
    method: Value,
    scheme: Value,
    authority: Value,
    path_with_query: Value,
    /// Every value of each header.
    headers: BTreeMap<String, Vec<String>>,
}

impl Received {
    fn of(answer: &Answer) -> Self {
        let mut json = answer.expect(200)["ok"].take();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for header in json["headers"].as_array().expect("headers") {
            let (name, value) = (
                header[0].as_str().expect("a name"),
                header[1].as_str().expect("a value"),
            );
            headers
                .entry(name.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        Received {
            method: json["method"].take(),
            scheme: json["scheme"].take(),
            authority: json["authority"].take(),
            path_with_query: json["path_with_query"].take(),
            headers,
        }
    }

    /// The only value of a header.
    fn header(&self, name: &str) -> &str {
        match self.headers.get(name).map(Vec::as_slice) {
            Some([value]) => value,
            other => panic!("{name}: {other:?} of {:?}", self.headers),
        }
    }
}
