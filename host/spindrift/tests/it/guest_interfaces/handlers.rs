//! Handlers of `wasi:http` 0.3 and 0.2: what reaches them, and what becomes of those that fail.

use http::Method;
use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, Client, STORE};

/// The guest of `wasi:http` 0.3, and that of 0.2.
const GUESTS: [&str; 2] = ["trouble", "trouble2"];

fn start() -> Guests {
    Guests::start(App::new().guest("trouble", STORE).guest("trouble2", ""))
}

#[tokio::test]
async fn bodies_go_in_and_come_out() {
    let guests = start();
    for (guest, client) in guests.each(GUESTS) {
        for length in [0, 1, 4096, 65_537, 1 << 20] {
            let body: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let answer = client.post(&format!("/{guest}/echo"), body.clone()).await;
            assert_eq!(answer.status, 200, "{guest}: {length} bytes");
            let whole = answer.body == body;
            assert!(
                whole,
                "{guest} {:?}: {} of {length} bytes",
                client.version(),
                answer.body.len()
            );
        }
    }
}

#[tokio::test]
async fn the_request_reaches_the_guest() {
    let guests = start();
    for (guest, client) in guests.each(GUESTS) {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let path = format!("/{guest}/method-and-headers?a=%20b&c");
            let headers = [("x-one", "1"), ("x-many", "a"), ("x-many", "b")];
            let answer = client.send(method.clone(), &path, &headers, "").await;
            let seen = answer.expect_for(200, &method)["ok"].take();
            assert_eq!(seen["method"], json!(method.as_str()));
            assert_eq!(seen["path_with_query"], json!(path));
            assert_eq!(seen["scheme"], json!("http"));
            assert_eq!(seen["authority"], json!(guests.host.address().to_string()));
            let headers = seen["headers"].as_array().expect("headers");
            let values = |name| -> Vec<&Value> {
                headers
                    .iter()
                    .filter(|header| header[0] == json!(name))
                    .map(|header| &header[1])
                    .collect()
            };
            assert_eq!(values("x-one"), ["1"], "{guest} {method}");
            assert_eq!(values("x-many"), ["a", "b"], "{guest} {method}");
        }
    }
}

#[tokio::test]
async fn a_handler_that_does_not_answer_is_a_500() {
    // In JSON an event is one line, whatever is in it.
    let app = App::new().guest("trouble", STORE).guest("trouble2", "");
    // There each failure has a line, and not just the first of a kind.
    let args = [
        "--log-format",
        "json",
        "--log-level",
        "info,spindrift=debug",
    ];
    let guests = Guests::start_command(app.command().args(&args));
    for client in guests.host.clients() {
        for (path, detail, logged) in [
            ("trouble/trap", "the component trapped", "trapped"),
            ("trouble/abort", "the component trapped", "trapped"),
            ("trouble/exit", "the component trapped", "exit"),
            ("trouble/exit?code=3", "the component trapped", "exit"),
            (
                "trouble/error",
                "the component failed",
                "as the request asked",
            ),
            ("trouble2/trap", "the component trapped", "trapped"),
            (
                "trouble2/error",
                "the component failed",
                "as the request asked",
            ),
            (
                "trouble2/no-response",
                "the component ended without a response",
                "without a response",
            ),
        ] {
            let answer = client.get(&format!("/{path}")).await;
            let problem = answer.expect_for(500, path);
            assert_eq!(problem["detail"], json!(detail), "{path}");
            let id = problem["request_id"].as_str().expect("a request id");
            guests.host.logged(&[id, logged]);
            let (guest, _) = path.split_once('/').expect("a guest and an operation");
            answers_afresh(&client, guest).await;
        }
    }
}

#[tokio::test]
async fn a_trap_after_the_head_never_looks_like_a_whole_answer() {
    let guests = start();
    for (guest, client) in guests.each(GUESTS) {
        let path = format!("/{guest}/trap-after-head");
        let answer = client.try_send(Method::GET, &path, &[], "").await;
        assert!(
            answer.as_ref().map_or(true, |answer| answer.status == 500),
            "{guest} {:?}: {answer:?}",
            client.version()
        );
        guests.host.logged(&["trapped"]);
        answers_afresh(&client, guest).await;
    }
}

/// What failed is not used again: a fresh instance counts from 1.
async fn answers_afresh(client: &Client, guest: &str) {
    let answer = client.get(&format!("/{guest}/count")).await;
    assert_eq!(answer.expect_for(200, guest), json!({"ok": 1}));
}
