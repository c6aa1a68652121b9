//! A guest that fails commits nothing; one that answers, whatever it answers, commits.

use serde_json::json;

use super::{set, value};
use crate::harness::{App, Host, STORE};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", STORE)
        .start(args)
}

#[tokio::test]
async fn a_guest_that_fails_after_a_write_has_written_nothing() {
    let host = start(&["--request-timeout", "1s"]);
    let client = host.http1();
    for (operation, status) in [
        ("set-then-trap", 500),
        ("set-then-exit", 500),
        ("set-then-error", 500),
        ("set-then-stall", 504),
        ("set-then-spin", 504),
    ] {
        client
            .get(&format!("/trouble/{operation}?key=new"))
            .await
            .expect_for(status, operation);
        assert_eq!(value(&client, "new").await, json!(null), "{operation}");
        set(&client, "old", "before").await;
        client
            .get(&format!("/trouble/{operation}?key=old"))
            .await
            .expect_for(status, operation);
        assert_eq!(value(&client, "old").await, "before", "{operation}");
    }
}

#[tokio::test]
async fn a_guest_that_answers_500_has_written() {
    let host = start(&[]);
    let client = host.http1();
    let answer = client.get("/trouble/set-then-500?key=k").await;
    // The guest's own answer, not one of the host.
    assert_eq!(answer.expect(500), json!({"ok": true}));
    assert_eq!(value(&client, "k").await, "trouble");
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_tear_a_transaction() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    for round in 0..10 {
        client.post("/kv3/set-two?a=a&b=b", "old").await.expect(200);
        let mut gone = host.connect().await;
        let request = "POST /kv3/set-two?a=a&b=b&wait=30&value=new HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
        gone.send(request).await;
        drop(gone);
        for _ in 0..round {
            let answer = client.get("/kv3/two?a=a&b=b").await.expect(200);
            assert_eq!(answer["ok"][0], answer["ok"][1], "{answer}");
        }
    }
}
