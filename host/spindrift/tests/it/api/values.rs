//! Any text can be a value, up to 1 MiB of it, and any content type will do.

use http::Method;
use serde_json::json;

use super::put;
use crate::harness::Host;

const MEBIBYTE: usize = 1 << 20;

#[tokio::test]
async fn any_text_is_a_value() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for value in [
            "",
            " ",
            "v",
            "é鍵🔑",
            "\0",
            "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}",
            "{\"key\":\"k\"}",
            "null",
            "\u{2028}",
            "\u{feff}",
        ] {
            put(&client, "k", value).await.expect_for(200, value);
            assert_eq!(
                client.get("/get/k").await.expect(200),
                json!({"key": "k", "value": value})
            );
        }
    }
}

#[tokio::test]
async fn json_may_be_written_in_any_form() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for body in [
            r#"{"key":"k","value":"é\"/"}"#,
            "\u{feff}{\"key\":\"k\",\"value\":\"é\\\"/\"}",
            "\r\n\t {  \"value\" :\n\"\\u00e9\\\"\\/\",\"key\":\"\\u006b\" } \n",
            // The last one of a name counts.
            r#"{"key":"other","value":1,"key":"k","value":"é\"/"}"#,
            // Unknown fields are ignored, whatever they hold.
            r#"{"ttl":60,"key":"k","value":"é\"/","tags":[{"a":[null,true,1.5e3]}],"":""}"#,
        ] {
            client.delete("/delete/k").await;
            client
                .put("/put", body.to_owned())
                .await
                .expect_for(200, body);
            assert_eq!(
                client.get("/get/k").await.expect_for(200, body)["value"],
                "é\"/"
            );
        }
    }
}

#[tokio::test]
async fn any_content_type_will_do() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            // What curl says about `-d`.
            "application/x-www-form-urlencoded",
            "text/plain",
            "application/octet-stream",
            "nonsense",
            "",
        ] {
            let headers = [("content-type", content_type)];
            let body = json!({"key": "k", "value": content_type}).to_string();
            client
                .send(Method::PUT, "/put", &headers, body)
                .await
                .expect_for(200, content_type);
            assert_eq!(
                client.get("/get/k").await.expect(200)["value"],
                content_type
            );
        }
        // None at all is what `client.put` sends.
        put(&client, "k", "without").await.expect(200);
    }
}

#[tokio::test]
async fn a_value_of_a_mebibyte_is_stored_and_one_byte_more_is_a_413() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for value in ["v".repeat(MEBIBYTE), "é".repeat(MEBIBYTE / 2)] {
            put(&client, "k", &value).await.expect(200);
            let read = client.get("/get/k").await.expect(200);
            assert!(read["value"] == value, "another value came back");
        }
        for value in ["v".repeat(MEBIBYTE + 1), "é".repeat(MEBIBYTE / 2) + "v"] {
            let detail = put(&client, "k", &value).await.expect(413)["detail"].clone();
            let detail = detail.as_str().expect("a detail");
            assert!(detail.contains(&MEBIBYTE.to_string()), "{detail}");
        }
        // What was there still is.
        assert_eq!(
            client.get("/get/k").await.expect(200)["value"],
            "é".repeat(MEBIBYTE / 2)
        );
    }
}

#[tokio::test]
async fn a_value_of_a_mebibyte_may_be_written_in_escapes() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for (escape, value) in [
            // As Python's `json` writes it.
            (r"\u00e9", "é".repeat(MEBIBYTE / 2)),
            // Six bytes for one: no longer form of a value is there.
            (r"\u0001", "\u{1}".repeat(MEBIBYTE)),
        ] {
            let escaped = escape.repeat(value.chars().count());
            let body = format!("{{\"key\": \"k\", \"value\": \"{escaped}\"}}");
            client.put("/put", body).await.expect_for(200, escape);
            let read = client.get("/get/k").await.expect(200);
            assert!(read["value"] == value, "{escape}: another value came back");
            let body = format!("{{\"key\": \"k\", \"value\": \"{escaped}v\"}}");
            client.put("/put", body).await.expect_for(413, escape);
        }
    }
}
