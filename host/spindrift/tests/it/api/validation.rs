//! A body that is no item: 422 with every fault, in FastAPI's words.

use serde_json::{Value, json};

use super::put;
use crate::harness::Host;

fn detail(faults: Value) -> Value {
    json!({ "detail": faults })
}

fn missing(location: &[&str], input: Value) -> Value {
    json!({"type": "missing", "loc": location, "msg": "Field required", "input": input})
}

fn no_string(field: &str, input: Value) -> Value {
    json!({"type": "string_type", "loc": ["body", field], "msg": "Input should be a valid string", "input": input})
}

#[tokio::test]
async fn a_body_is_required() {
    let host = Host::start(&[]);
    for client in host.clients() {
        let expected = detail(json!([missing(&["body"], Value::Null)]));
        assert_eq!(client.put("/put", "").await.expect(422), expected);
    }
}

#[tokio::test]
async fn every_missing_field_is_listed() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for (body, fields) in [
            (json!({}), &["key", "value"][..]),
            (json!({"key": "k"}), &["value"]),
            (json!({"value": "v"}), &["key"]),
            (json!({"Key": "k", "VALUE": "v"}), &["key", "value"]),
        ] {
            let faults: Vec<Value> = fields
                .iter()
                .map(|field| missing(&["body", field], body.clone()))
                .collect();
            let answer = client.put("/put", body.to_string()).await;
            assert_eq!(answer.expect_for(422, &body), detail(faults.into()));
        }
    }
}

#[tokio::test]
async fn every_field_that_is_no_string_is_listed() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for other in [
            json!(1),
            json!(-1.5),
            json!(true),
            json!(null),
            json!(["v"]),
            json!({"a": {}}),
        ] {
            let body = json!({"key": other, "value": other}).to_string();
            let expected = detail(json!([
                no_string("key", other.clone()),
                no_string("value", other.clone())
            ]));
            assert_eq!(
                client.put("/put", body).await.expect_for(422, &other),
                expected
            );
            let body = json!({"key": "k", "value": other}).to_string();
            let expected = detail(json!([no_string("value", other.clone())]));
            assert_eq!(
                client.put("/put", body).await.expect_for(422, &other),
                expected
            );
        }
    }
}

#[tokio::test]
async fn faults_of_different_kinds_are_listed_together() {
    let host = Host::start(&[]);
    for client in host.clients() {
        let body = json!({"value": 1});
        let expected = detail(json!([
            missing(&["body", "key"], body.clone()),
            no_string("value", json!(1))
        ]));
        assert_eq!(
            client.put("/put", body.to_string()).await.expect(422),
            expected
        );
        let body = json!({"key": ""});
        let too_short = json!({
            "type": "string_too_short", "loc": ["body", "key"],
            "msg": "String should have at least 1 character", "input": "",
        });
        let expected = detail(json!([
            too_short,
            missing(&["body", "value"], body.clone())
        ]));
        assert_eq!(
            client.put("/put", body.to_string()).await.expect(422),
            expected
        );
    }
}

#[tokio::test]
async fn json_that_is_no_object_is_refused() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for body in [
            json!([]),
            json!("text"),
            json!(5),
            json!(1.5),
            json!(true),
            json!(null),
            json!([{"key": "k"}]),
        ] {
            let fault = json!({
                "type": "model_attributes_type", "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from", "input": body,
            });
            let answer = client.put("/put", body.to_string()).await;
            assert_eq!(answer.expect_for(422, &body), detail(json!([fault])));
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_with_the_place_of_the_fault() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for (body, offset) in [
            (&b"{"[..], 1),
            (b"key=k&value=v", 0),
            (b"{\"key\":\"k\",\"value\":\"v\"", 22),
            (b"{\"key\":\"k\",\"value\":\"v\"}}", 23),
            (b"{'key':'k'}", 1),
            (b"{\"key\":\"k\" \"value\":\"v\"}", 11),
            (b"{\"key\":NaN}", 7),
            (b"\"\xff\"", 1),
            // Characters are counted, not bytes.
            ("{\"é\":x}".as_bytes(), 5),
        ] {
            let text = String::from_utf8_lossy(body);
            let fault = &client
                .put("/put", body.to_vec())
                .await
                .expect_for(422, &text)["detail"][0];
            assert_eq!(fault["type"], "json_invalid", "{text}: {fault}");
            assert_eq!(fault["loc"], json!(["body", offset]), "{text}: {fault}");
            assert_eq!(fault["msg"], "JSON decode error", "{text}: {fault}");
            assert_eq!(fault["input"], json!({}), "{text}: {fault}");
        }
    }
}

#[tokio::test]
async fn a_refused_body_writes_nothing() {
    let host = Host::start(&[]);
    let client = host.http1();
    put(&client, "k", "before").await.expect(200);
    for body in [
        r#"{"key":"k","value":1}"#,
        r#"{"key":"k"}"#,
        r#"{"key":"k","value":"after"}x"#,
    ] {
        client.put("/put", body).await.expect_for(422, body);
    }
    assert_eq!(client.get("/get/k").await.expect(200)["value"], "before");
}
