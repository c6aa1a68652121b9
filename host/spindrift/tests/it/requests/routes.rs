//! Which request goes where, and what needs no guest.

use http::Method;
use serde_json::json;

use super::Received;
use crate::harness::{App, Host, built};

/// An application with every kind of route.
fn start() -> Host {
    let route =
        |route: &str| format!("[[trigger.http]]\nroute = {route:?}\ncomponent = \"trouble\"\n");
    let fixed = |route: &str, response: &str| {
        format!("[[trigger.http]]\nroute = {route:?}\n[trigger.http.static_response]\n{response}\n")
    };
    App::with_head("[application]\nname = \"routes\"\nversion = \"1.2.3\"\n")
        .guest("trouble", "")
        .text(&route("/a/method-and-headers"))
        .text(&route("/a/:b"))
        .text(&route("/a/..."))
        .text(&route("/a/:b/c/method-and-headers"))
        .text(&format!("[component.private]\nsource = {:?}\n", built("guest_trouble.wasm")))
        .text("[[trigger.http]]\nroute = { private = true }\ncomponent = \"private\"\n")
        .text(&fixed("/teapot", "status_code = 418\nheaders = { x-kind = \"pot\", content-type = \"text/tea\" }\nbody = \"short and stout\""))
        .text(&fixed("/nothing", "status_code = 204"))
        .text(&fixed("/fixed/...", "body = \"fixed\""))
        .start(&[])
}

#[tokio::test]
async fn the_closest_route_takes_a_request() {
    let host = start();
    for client in host.clients() {
        for (path, route) in [
            ("/a/method-and-headers", "/a/method-and-headers"),
            ("/a/x/method-and-headers", "/a/..."),
            ("/a/x/c/method-and-headers", "/a/:b/c/method-and-headers"),
            ("/a/x/d/method-and-headers", "/a/..."),
        ] {
            let seen = Received::of(&client.get(path).await);
            assert_eq!(seen.header("spin-raw-component-route"), route, "{path}");
        }
    }
}

#[tokio::test]
async fn no_route_is_a_404_and_private_routes_are_none() {
    let host = start();
    for client in host.clients() {
        for path in ["/", "/b", "/private", "/trouble-not", "/teapot/x"] {
            assert_eq!(
                client.get(path).await.expect_for(404, path),
                json!({"detail": "Not Found"})
            );
        }
    }
    host.wait_until_printed("/fixed (wildcard)");
    assert!(!host.printed().contains("private"), "{}", host.printed());
}

#[tokio::test]
async fn static_responses_are_as_the_manifest_has_them() {
    let host = start();
    for client in host.clients() {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = client.send(method, "/teapot?x", &[], "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (418, "short and stout")
            );
            assert_eq!(
                (answer.header("x-kind"), answer.header("content-type")),
                ("pot", "text/tea")
            );
            assert_eq!(answer.header("content-length"), "15");
        }
        let answer = client.send(Method::HEAD, "/teapot", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (418, 0));
        let answer = client.get("/nothing").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        assert_eq!(client.get("/fixed/any/where").await.text(), "fixed");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whoever_gives_it() {
    let host = start();
    for client in host.clients() {
        for (path, status) in [
            ("/", 404),
            ("/trouble/trap", 500),
            ("/trouble/status?status=418", 418),
            ("/trouble/big?bytes=100000", 200),
        ] {
            let answer = client.send(Method::HEAD, path, &[], "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.len()),
                (status, 0),
                "{path}"
            );
            // The connection is in step.
            client.get("/trouble/count").await.expect(200);
        }
    }
}

#[tokio::test]
async fn well_known_paths_are_the_hosts() {
    let host = App::with_head("[application]\nname = \"routes\"\nversion = \"1.2.3\"\n")
        .component("trouble", "/...", "guest_trouble.wasm", "")
        .start(&[]);
    for client in host.clients() {
        let health = client.get("/.well-known/spin/health").await;
        assert_eq!(
            (health.status.as_u16(), health.text().as_str()),
            (200, "OK")
        );
        let info = client.get("/.well-known/spin/info").await;
        assert_eq!(
            info.expect(200),
            json!({"name": "routes", "version": "1.2.3"})
        );
        assert_eq!(info.header("content-type"), "application/json");
        client
            .get("/.well-known/spin/method-and-headers")
            .await
            .expect(404);
        let answer = client.put("/.well-known/spin/health", "").await;
        assert_eq!(answer.expect(405), json!({"detail": "Method Not Allowed"}));
        assert_eq!(answer.header("allow"), "GET, HEAD");
        let answer = client
            .send(Method::HEAD, "/.well-known/spin/health", &[], "")
            .await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        for probe in ["live", "ready"] {
            let path = format!("/.well-known/spindrift/{probe}");
            let answer = client.get(&path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (200, "ok\n")
            );
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
            let answer = client.send(Method::HEAD, &path, &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            client.put(&path, "").await.expect(405);
        }
        client.get("/.well-known/spindrift/count").await.expect(404);
        // The rest is the application's.
        client.get("/.well-known/count").await.expect(200);
    }
}
