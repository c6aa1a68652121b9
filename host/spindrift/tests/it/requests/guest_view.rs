//! What a guest sees of a request: method, target, headers, and the `spin-*` headers that the host adds.

use http::Method;

use super::Received;
use crate::harness::{Answer, App, Client, Host};

/// The guests of both versions of `wasi:http`.
const GUESTS: [&str; 2] = ["trouble", "trouble2"];

fn start() -> Host {
    App::new()
        .guest("trouble", "")
        .guest("trouble2", "")
        .text("[[trigger.http]]\nroute = \"/users/:user_id/posts/:Post/...\"\ncomponent = \"trouble\"\n")
        .text("[[trigger.http]]\nroute = \"/exact/method-and-headers\"\ncomponent = \"trouble\"\n")
        .start(&[])
}

async fn received(client: &Client, path: &str) -> Received {
    Received::of(&client.get(path).await)
}

#[tokio::test]
async fn the_request_line_is_as_the_client_sent_it() {
    let host = start();
    for client in host.clients() {
        for guest in GUESTS {
            let path = format!("/{guest}/a%2fb//c/method-and-headers?x=%20&y=/&y=%C3%A9");
            for method in [
                "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE",
            ] {
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let seen = Received::of(&client.send(method.clone(), &path, &[], "").await);
                assert_eq!(seen.method, method.as_str());
                assert_eq!(seen.scheme, "http");
                assert_eq!(seen.authority, host.address().to_string());
                assert_eq!(seen.path_with_query, path);
            }
        }
    }
}

#[tokio::test]
async fn spin_headers_tell_of_route_and_client() {
    let host = start();
    for client in host.clients() {
        for guest in GUESTS {
            let path = format!("/{guest}/some%20where/method-and-headers?a=b");
            let seen = received(&client, &path).await;
            assert_eq!(
                seen.header("spin-full-url"),
                format!("{}{path}", host.base())
            );
            assert_eq!(
                seen.header("spin-path-info"),
                "/some%20where/method-and-headers"
            );
            assert_eq!(seen.header("spin-matched-route"), format!("/{guest}/..."));
            assert_eq!(
                seen.header("spin-raw-component-route"),
                format!("/{guest}/...")
            );
            assert_eq!(seen.header("spin-component-route"), format!("/{guest}"));
            assert_eq!(seen.header("spin-base-path"), "/");
            let address: std::net::SocketAddr =
                seen.header("spin-client-addr").parse().expect("an address");
            assert!(
                address.ip().is_loopback() && address.port() != host.address().port(),
                "{address}"
            );
        }
        let seen = received(&client, "/exact/method-and-headers").await;
        assert_eq!(seen.header("spin-path-info"), "");
        assert_eq!(
            seen.header("spin-matched-route"),
            "/exact/method-and-headers"
        );
    }
}

#[tokio::test]
async fn spin_headers_tell_what_named_segments_matched() {
    let host = start();
    for client in host.clients() {
        let seen = received(&client, "/users/7%2F8/posts/x/comments/method-and-headers").await;
        assert_eq!(seen.header("spin-path-match-user-id"), "7%2F8");
        assert_eq!(seen.header("spin-path-match-post"), "x");
        assert_eq!(
            seen.header("spin-path-info"),
            "/comments/method-and-headers"
        );
        assert_eq!(
            seen.header("spin-raw-component-route"),
            "/users/:user_id/posts/:Post/..."
        );
    }
}

#[tokio::test]
async fn spin_headers_of_the_client_are_replaced() {
    let host = start();
    for client in host.clients() {
        let forged = [
            ("spin-full-url", "forged"),
            ("spin-client-addr", "forged"),
            ("spin-client-addr", "forged again"),
            ("spin-path-info", "forged"),
            ("spin-matched-route", "forged"),
            ("spin-component-route", "forged"),
            ("spin-raw-component-route", "forged"),
            ("spin-base-path", "forged"),
            ("spin-path-match-user-id", "forged"),
        ];
        let path = "/users/7/posts/x/method-and-headers";
        let seen = Received::of(&client.send(Method::GET, path, &forged, "").await);
        for (name, _) in forged {
            assert!(!seen.header(name).contains("forged"), "{name}");
        }
    }
}

#[tokio::test]
async fn the_clients_headers_arrive_but_for_those_of_the_connection() {
    let host = start();
    let client = host.http1();
    for guest in GUESTS {
        let sent = [
            ("x-one", "1"),
            ("x-two", "first"),
            ("x-two", "second"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("authorization", "Bearer x"),
            ("x-latin", "caf\u{e9}"),
            ("accept-encoding", "gzip"),
            ("user-agent", "tests"),
            // WASI keeps these from guests.
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
        ];
        let path = format!("/{guest}/method-and-headers");
        let seen = Received::of(&client.send(Method::GET, &path, &sent, "").await);
        for (name, value) in &sent[..9] {
            let values = seen
                .headers
                .get(*name)
                .unwrap_or_else(|| panic!("{guest} lacks {name}"));
            let expected = if *name == "x-latin" {
                values.len() == 1
            } else {
                values.iter().any(|seen| seen == value)
            };
            assert!(expected, "{guest}: {name}: {values:?}");
        }
        assert_eq!(seen.headers["x-two"], ["first", "second"]);
        for name in sent[9..]
            .iter()
            .map(|(name, _)| *name)
            .chain(["transfer-encoding"])
        {
            assert!(
                !seen.headers.contains_key(name),
                "{guest} sees {name}: {:?}",
                seen.headers
            );
        }
    }
}

#[tokio::test]
async fn a_guest_of_wasi_http_0_3_sees_the_host_header() {
    let host = start();
    let authority = host.address().to_string();
    for client in host.clients() {
        let version = client.version();
        let seen = received(&client, "/trouble/method-and-headers").await;
        assert_eq!(seen.header("host"), authority, "{version:?}");
        // As under Spin, where Wasmtime keeps it from guests of 0.2.
        let seen = received(&client, "/trouble2/method-and-headers").await;
        assert!(!seen.headers.contains_key("host"), "{version:?}");
        assert_eq!(seen.authority, authority);
    }
    for (target, header, expected) in [
        ("/trouble", "Shop.test:81", Some("Shop.test:81")),
        ("http://a.test/trouble", "b.test", Some("a.test")),
        // No client passes for a component of the application.
        ("/trouble", "other.spin.internal", None),
        ("/trouble", "other.Spin.Internal:80", None),
        ("/trouble", "spin.internal", Some("spin.internal")),
    ] {
        let mut connection = host.connect().await;
        let request = format!("GET {target}/method-and-headers HTTP/1.1\r\nhost: {header}\r\n\r\n");
        connection.send(request).await;
        let answer = connection.read_response().await;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let seen = Received::of(&Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        });
        let hosts = seen.headers.get("host");
        let hosts = hosts.map(|hosts| hosts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(hosts, expected.map(|host| vec![host]), "{target} {header}");
    }
}

#[tokio::test]
async fn headers_that_a_connection_header_names_go_no_further() {
    let host = start();
    let client = host.http1();
    for guest in GUESTS {
        let sent = [
            ("connection", "X-Hop, te"),
            ("connection", "x-other,host,content-length"),
            ("x-hop", "1"),
            ("x-hop", "2"),
            ("x-other", "3"),
            ("te", "trailers"),
            ("x-end", "4"),
        ];
        let path = format!("/{guest}/method-and-headers");
        let seen = Received::of(&client.send(Method::POST, &path, &sent, "body").await);
        for name in ["connection", "x-hop", "x-other", "te"] {
            assert!(!seen.headers.contains_key(name), "{guest} sees {name}");
        }
        assert_eq!(seen.header("x-end"), "4");
        assert_eq!(seen.header("content-length"), "4");
        assert_eq!(seen.authority, host.address().to_string());
    }
}

#[tokio::test]
async fn a_body_arrives_whatever_its_framing() {
    let host = start();
    for guest in GUESTS {
        for (framing, body, received) in [
            ("content-length: 5\r\n", "hello", "hello"),
            (
                "transfer-encoding: chunked\r\n",
                "2\r\nhe\r\n3;extension=1\r\nllo\r\n0\r\ntrailer: x\r\n\r\n",
                "hello",
            ),
            ("content-length: 0\r\n", "", ""),
            ("", "", ""),
        ] {
            let mut connection = host.connect().await;
            let head = format!(
                "POST /{guest}/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{framing}\r\n"
            );
            connection.send(head + body).await;
            let answer = connection.read_to_end().await;
            let (head, body) = answer
                .split_once("\r\n\r\n")
                .unwrap_or_else(|| panic!("no head: {answer}"));
            assert!(
                head.starts_with("HTTP/1.1 200 "),
                "{guest}, {framing}: {answer}"
            );
            assert!(
                body.contains(received) && body.is_empty() == received.is_empty(),
                "{guest}, {framing}: {answer}"
            );
        }
        let body: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        for client in host.clients() {
            let answer = client.post(&format!("/{guest}/echo"), body.clone()).await;
            assert!(answer.body == body, "{guest}: {} bytes", answer.body.len());
        }
    }
}
