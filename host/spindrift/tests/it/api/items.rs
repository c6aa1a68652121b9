//! What becomes of an item: put, read, replaced, deleted.

use http::Method;
use serde_json::json;

use super::{key_not_found, put};
use crate::harness::Host;

#[tokio::test]
async fn an_item_is_put_read_replaced_and_deleted() {
    let host = Host::start(&[]);
    for client in host.clients() {
        assert_eq!(client.get("/get/k").await.expect(404), key_not_found());
        assert_eq!(
            client.delete("/delete/k").await.expect(404),
            key_not_found()
        );

        let answer = put(&client, "k", "v").await;
        assert_eq!(
            answer.text(),
            r#"{"message":"Key 'k' added/updated successfully."}"#
        );
        assert_eq!(answer.status, 200);
        let answer = client.get("/get/k").await;
        assert_eq!(answer.text(), r#"{"key":"k","value":"v"}"#);
        assert_eq!(answer.status, 200);

        put(&client, "k", "another").await.expect(200);
        assert_eq!(
            client.get("/get/k").await.json(),
            json!({"key": "k", "value": "another"})
        );

        let answer = client.delete("/delete/k").await;
        assert_eq!(
            answer.text(),
            r#"{"message":"Key 'k' deleted successfully."}"#
        );
        assert_eq!(answer.status, 200);
        assert_eq!(client.get("/get/k").await.expect(404), key_not_found());
        assert_eq!(
            client.delete("/delete/k").await.expect(404),
            key_not_found()
        );
    }
}

#[tokio::test]
async fn every_answer_is_json_with_its_length() {
    let host = Host::start(&[]);
    for client in host.clients() {
        put(&client, "there", "v").await.expect(200);
        for answer in [
            put(&client, "k", "v").await,
            client.get("/get/k").await,
            client.get("/get/none").await,
            client.delete("/delete/k").await,
            client.delete("/delete/none").await,
            client.put("/put", "").await,
            client.get("/put").await,
            client.get("/none").await,
        ] {
            assert_eq!(
                answer.header("content-type"),
                "application/json",
                "{answer:?}"
            );
            assert_eq!(
                answer.header("content-length"),
                answer.body.len().to_string(),
                "{answer:?}"
            );
            answer.json();
        }
    }
}

#[tokio::test]
async fn what_one_connection_writes_every_other_reads() {
    let host = Host::start(&[]);
    let (http1, http2) = (host.http1(), host.http2());
    put(&http1, "k", "from HTTP/1.1").await.expect(200);
    assert_eq!(http2.get("/get/k").await.json()["value"], "from HTTP/1.1");
    put(&http2, "k", "from HTTP/2").await.expect(200);
    assert_eq!(http1.get("/get/k").await.json()["value"], "from HTTP/2");
    // A connection of its own.
    assert_eq!(
        host.http1().get("/get/k").await.json()["value"],
        "from HTTP/2"
    );
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let host = Host::start(&[]);
    for client in host.clients() {
        put(&client, "k", "v").await.expect(200);
        for path in ["/get/k", "/get/none", "/get/%FF"] {
            let get = client.get(path).await;
            let head = client.send(Method::HEAD, path, &[], "").await;
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(
                head.header("content-type"),
                get.header("content-type"),
                "{path}"
            );
            assert!(head.body.is_empty(), "{path}: {head:?}");
        }
        // The connection is in step after an answer without a body.
        assert_eq!(client.get("/get/k").await.expect(200)["value"], "v");
    }
}
