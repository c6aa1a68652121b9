//! Methods and paths that the API does not have.

use http::Method;
use serde_json::json;

use crate::harness::Host;

#[tokio::test]
async fn another_method_on_a_known_path_is_a_405_that_names_the_right_ones() {
    let host = Host::start(&[]);
    let all = [
        "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE",
    ];
    for client in host.clients() {
        for (path, allowed) in [
            ("/put", &["PUT"][..]),
            ("/get/k", &["GET", "HEAD"]),
            ("/delete/k", &["DELETE"]),
            ("/docs", &["GET", "HEAD"]),
            ("/openapi.json", &["GET", "HEAD"]),
        ] {
            for method in all.iter().filter(|method| !allowed.contains(method)) {
                let name = Method::from_bytes(method.as_bytes()).expect("a method");
                let answer = client.send(name, path, &[], "").await;
                let what = format!("{method} {path}");
                assert_eq!(answer.status, 405, "{what}: {answer:?}");
                assert_eq!(answer.header("allow"), allowed.join(", "), "{what}");
                if *method != "HEAD" {
                    assert_eq!(
                        answer.json(),
                        json!({"detail": "Method Not Allowed"}),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404() {
    let host = Host::start(&[]);
    for client in host.clients() {
        for path in [
            "/",
            "/none",
            "/get",
            "/get/",
            "/delete",
            "/get/a/b",
            "/put/k",
            "/puts",
            "/GET/k",
            "/redoc",
            "/docs/none",
            "/openapi.yaml",
            "/?get/k",
        ] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let answer = client.send(method.clone(), path, &[], "").await;
                assert_eq!(
                    answer.expect_for(404, path),
                    json!({"detail": "Not Found"}),
                    "{method} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_query_makes_no_difference() {
    let host = Host::start(&[]);
    for client in host.clients() {
        let body = r#"{"key":"k","value":"v"}"#;
        client.put("/put?a=b/c", body).await.expect(200);
        assert_eq!(
            client.get("/get/k?a=b/c&key=other").await.expect(200)["value"],
            "v"
        );
        client.delete("/delete/k?").await.expect(200);
    }
}
