//! Any UTF-8 can be a key, up to 1,024 bytes of it.

use serde_json::json;

use super::{path, put};
use crate::harness::Host;

#[tokio::test]
async fn any_utf8_is_a_key() {
    let host = Host::start(&[]);
    let long = "k".repeat(1024);
    let long_in_two_bytes = "é".repeat(512);
    for client in host.clients() {
        for key in [
            "k",
            "a/b",
            "/",
            "//",
            "a//b/",
            ".",
            "..",
            "../put",
            "a b",
            " ",
            "+",
            "a+b",
            "%",
            "%2F",
            "a%zz",
            "é",
            "鍵",
            "🔑",
            "e\u{301}",
            "?",
            "a?b=c",
            "#",
            "a#b",
            "&=;",
            "\"'\\",
            "{}",
            "\0",
            "\n",
            "\t\u{7f}",
            "\u{feff}",
            ":key",
            "...",
            "*",
            "null",
            &long,
            &long_in_two_bytes,
        ] {
            let value = format!("the value of {key}");
            let answer = put(&client, key, &value).await.expect_for(200, key);
            assert_eq!(
                answer,
                json!({"message": format!("Key '{key}' added/updated successfully.")})
            );
            let answer = client.get(&path("get", key)).await.expect_for(200, key);
            assert_eq!(answer, json!({"key": key, "value": value}));
            let answer = client
                .delete(&path("delete", key))
                .await
                .expect_for(200, key);
            assert_eq!(
                answer,
                json!({"message": format!("Key '{key}' deleted successfully.")})
            );
            client.get(&path("get", key)).await.expect_for(404, key);
        }
    }
}

#[tokio::test]
async fn keys_that_differ_in_a_byte_are_different_keys() {
    let host = Host::start(&[]);
    let client = host.http1();
    let keys = ["a/b", "a%2Fb", "a%2fb", "a/b/", "A/b", "é", "e\u{301}"];
    for key in keys {
        put(&client, key, &format!("value {key}")).await.expect(200);
    }
    for key in keys {
        assert_eq!(
            client.get(&path("get", key)).await.expect(200)["value"],
            format!("value {key}")
        );
    }
}

#[tokio::test]
async fn a_key_in_a_path_is_decoded_once() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for (key, paths) in [
            ("a/b", ["a%2Fb", "a%2fb", "%61%2F%62"]),
            ("é", ["%C3%A9", "%c3%a9", "%C3%a9"]),
            ("a+b", ["a+b", "a%2Bb", "a%2bb?query=c"]),
            // What is no escape stands for itself.
            ("a%zz%4", ["a%zz%4", "a%25zz%254", "%61%zz%4"]),
        ] {
            put(&client, key, "v").await.expect(200);
            for path in paths {
                let answer = client
                    .get(&format!("/get/{path}"))
                    .await
                    .expect_for(200, path);
                assert_eq!(answer, json!({"key": key, "value": "v"}), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_has_at_least_one_byte_and_at_most_1024() {
    let host = Host::start(&[]);
    let fault = |kind: &str, part: &str, message: &str, input: &str| json!({"detail": [{"type": kind, "loc": [part, "key"], "msg": message, "input": input}]});
    let too_long = |part: &str, input: &str| {
        fault(
            "string_too_long",
            part,
            "String should have at most 1024 bytes",
            input,
        )
    };
    for client in host.clients() {
        let empty = fault(
            "string_too_short",
            "body",
            "String should have at least 1 character",
            "",
        );
        assert_eq!(put(&client, "", "v").await.expect(422), empty);
        // An empty segment is no key, and the API has no such path.
        client.get("/get/").await.expect(404);
        client.delete("/delete/").await.expect(404);

        // The limit counts bytes, not characters.
        for key in ["k".repeat(1025), "é".repeat(513)] {
            assert_eq!(
                put(&client, &key, "v").await.expect(422),
                too_long("body", &key)
            );
            assert_eq!(
                client.get(&path("get", &key)).await.expect(422),
                too_long("path", &key)
            );
            assert_eq!(
                client.delete(&path("delete", &key)).await.expect(422),
                too_long("path", &key)
            );
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_no_key() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for segment in ["%FF", "a%C3", "%ED%A0%80", "%C0%AF", "%F5%80%80%80"] {
            for answer in [
                client.get(&format!("/get/{segment}")).await,
                client.delete(&format!("/delete/{segment}")).await,
            ] {
                let message =
                    "Input should be a valid string, unable to parse raw data as a unicode string";
                let fault = json!({
                    "type": "string_unicode", "loc": ["path", "key"], "msg": message, "input": segment,
                });
                assert_eq!(answer.expect_for(422, segment), json!({"detail": [fault]}));
            }
        }
    }
}
