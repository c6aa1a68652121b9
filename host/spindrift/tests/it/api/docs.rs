//! `/docs` and `/openapi.json`. That the page works in a browser, `scripts/test.sh browser` tests.

use serde_json::json;

use crate::harness::Host;

#[tokio::test]
async fn the_page_and_all_it_needs_are_served() {
    let host = Host::start(&[]);
    for client in host.clients() {
        let page = client.get("/docs").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let html = page.text();
        let named: Vec<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|before| html.split(before).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(named.len() >= 3, "{named:?}");
        for path in named {
            assert!(!path.contains("//"), "the page needs {path} from elsewhere");
            let answer = client.get(&format!("/{path}")).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.body.is_empty(), "{path}");
            assert_eq!(
                answer.header("content-length"),
                answer.body.len().to_string(),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let host = Host::start(&[]);
    let client = host.http1();
    for path in ["/docs", "/openapi.json"] {
        let first = client.get(path).await;
        let headers = [("if-none-match", first.header("etag"))];
        let again = client.send(http::Method::GET, path, &headers, "").await;
        assert_eq!(
            (again.status.as_u16(), again.body.len()),
            (304, 0),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_document_describes_every_path_and_answer() {
    let host = Host::start(&[]);
    for client in host.clients() {
        let answer = client.get("/openapi.json").await;
        assert_eq!(answer.header("content-type"), "application/json");
        let document = answer.expect(200);
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1.")),
            "{document}"
        );
        for (path, method, statuses) in [
            ("/put", "put", &["200", "413", "422"][..]),
            ("/get/{key}", "get", &["200", "404", "422"]),
            ("/delete/{key}", "delete", &["200", "404", "422"]),
        ] {
            let responses = &document["paths"][path][method]["responses"];
            for status in statuses {
                assert!(
                    responses[status].is_object(),
                    "{method} {path} lacks {status}: {responses}"
                );
            }
        }
        let schemas = &document["components"]["schemas"];
        let items = &schemas["HTTPValidationError"]["properties"]["detail"]["items"];
        assert_eq!(
            items,
            &json!({"$ref": "#/components/schemas/ValidationError"})
        );
        let fault = &schemas["ValidationError"];
        for field in ["type", "loc", "msg", "input"] {
            assert!(fault["properties"][field].is_object(), "{field}: {fault}");
            assert!(
                fault["required"]
                    .as_array()
                    .is_some_and(|all| all.contains(&field.into())),
                "{field}: {fault}"
            );
        }
    }
}
