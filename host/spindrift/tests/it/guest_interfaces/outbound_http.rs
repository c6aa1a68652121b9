//! Requests that guests send, through `wasi:http` 0.3 and 0.2: only to where `allowed_outbound_hosts` lets them.

use http::Method;
use http_body_util::BodyExt;
use serde_json::json;

use crate::guest_interfaces::guests::{Guests, target};
use crate::guest_interfaces::origin::Origin;
use crate::harness::{App, Client, within};
use tokio::io::AsyncWriteExt;

const GUESTS: [&str; 2] = ["outbound3", "outbound2"];
/// What a request that is not allowed ends with.
const DENIED: &str = "http-request-denied";

/// Both guests, each with these settings.
fn app(settings: &str) -> App {
    GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, settings))
}

/// Both guests, with `allowed` in their `allowed_outbound_hosts`.
fn allowing(allowed: &str) -> Guests {
    Guests::start(app(&format!("allowed_outbound_hosts = [{allowed:?}]")))
}

#[tokio::test]
async fn an_allowed_host_answers() {
    let origin = Origin::start().await;
    let guests = allowing(&format!("http://{}", origin.authority()));
    for guest in GUESTS {
        let fetch = format!("{guest}/fetch");
        let path = format!("{guest}?a=1&b=%20");
        assert_eq!(
            guests.ok(&fetch, &[("url", &origin.url(&path))]).await,
            json!({"status": 200, "body": format!("origin /{path}")})
        );
        assert_eq!(
            guests.ok(&fetch, &[("url", &origin.url("teapot"))]).await,
            json!({"status": 418, "body": "origin /teapot"}),
            "{guest}"
        );
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), 4, "{requests:?}");
    for request in requests {
        let host = format!("host: {}\r\n", origin.authority());
        let head = request.to_ascii_lowercase();
        assert!(
            head.starts_with("get /") && head.contains(&host),
            "{request}"
        );
    }
}

#[tokio::test]
async fn the_field_of_spin_1_allows_hosts_too() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    let hosts = format!("allowed_http_hosts = [{:?}]", origin.authority());
    let guests = Guests::start(app(&hosts));
    for guest in GUESTS {
        let fetch = format!("{guest}/fetch");
        let answer = guests.ok(&fetch, &[("url", &origin.url("a"))]).await;
        assert_eq!(answer, json!({"status": 200, "body": "origin /a"}));
        let error = guests.error(&fetch, &[("url", &other.url("a"))]).await;
        assert_eq!(error, DENIED, "{guest}");
    }
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let origin = Origin::start().await;
    let guests = allowing(&format!("http://{}", origin.authority()));
    for guest in GUESTS {
        let url = origin.url("bytes/1048576");
        let answer = guests.ok(&format!("{guest}/fetch"), &[("url", &url)]).await;
        let body = answer["body"].as_str().expect("a body");
        assert!(
            body.len() == 1 << 20 && body.bytes().all(|byte| byte == b'b'),
            "{guest}"
        );
    }
}

#[tokio::test]
async fn nothing_is_allowed_by_default() {
    let origin = Origin::start().await;
    for settings in ["", "allowed_outbound_hosts = []"] {
        let guests = Guests::start(app(settings));
        for guest in GUESTS {
            for url in [origin.url(""), "https://example.com/".into()] {
                let error = guests
                    .error(&format!("{guest}/fetch"), &[("url", &url)])
                    .await;
                assert_eq!(error, DENIED, "{guest} {url}");
            }
        }
    }
    assert_eq!(origin.connections().await, 0);
}

#[tokio::test]
async fn a_refusal_is_logged_with_what_would_allow_it() {
    let origin = Origin::start().await;
    let guests = allowing("https://example.com");
    for guest in GUESTS {
        let args = [("url", origin.url("private?token=secret"))];
        let args = args.each_ref().map(|(name, url)| (*name, url.as_str()));
        assert_eq!(guests.error(&format!("{guest}/fetch"), &args).await, DENIED);
        let fix = format!("\"http://{}\"", origin.authority());
        let line = guests.host.logged(&[guest, &fix, "allowed_outbound_hosts"]);
        assert!(!line.contains("secret"), "the query may be private: {line}");
    }
    assert_eq!(origin.connections().await, 0);
}

#[tokio::test]
async fn the_fix_that_the_log_names_is_one() {
    let origin = Origin::start().await;
    let denying = allowing("https://example.com");
    let args = [("url", origin.url("now"))];
    let args = args.each_ref().map(|(name, url)| (*name, url.as_str()));
    denying.error("outbound3/fetch", &args).await;
    let line = denying.host.logged(&["allowed_outbound_hosts"]);
    let entry = line
        .split('"')
        .find(|part| part.starts_with("http://"))
        .unwrap_or_else(|| panic!("no entry in {line}"));
    let guests = allowing(entry);
    for guest in GUESTS {
        guests.ok(&format!("{guest}/fetch"), &args).await;
    }
}

#[tokio::test]
async fn another_scheme_host_or_port_is_not_allowed() {
    let (allowed, other) = (Origin::start().await, Origin::start().await);
    let guests = allowing(&format!("http://{}", allowed.authority()));
    let port = allowed.port();
    for guest in GUESTS {
        for url in [
            other.url(""),
            format!("https://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            format!("http://127.0.0.2:{port}/"),
            "http://127.0.0.1/".into(),
        ] {
            let error = guests
                .error(&format!("{guest}/fetch"), &[("url", &url)])
                .await;
            assert_eq!(error, DENIED, "{guest} {url}");
        }
        guests
            .ok(&format!("{guest}/fetch"), &[("url", &allowed.url(""))])
            .await;
    }
    assert_eq!(other.connections().await, 0);
}

#[tokio::test]
async fn patterns_and_variables_allow_hosts() {
    let origin = Origin::start().await;
    let port = origin.port();
    for entry in [
        "*://*:*".to_owned(),
        format!("*://127.0.0.1:{port}"),
        format!("http://127.0.0.0/8:{port}"),
        format!("http://127.0.0.1:{port}..{}", u32::from(port) + 1),
        "http://{{ address }}".to_owned(),
    ] {
        let app = app(&format!("allowed_outbound_hosts = [{entry:?}]"))
            .text("[variables]\naddress = { required = true }");
        let address = format!("address={}", origin.authority());
        let guests = Guests::start_command(app.command().args(&["--variable", &address]));
        for guest in GUESTS {
            let args = [("url", origin.url(guest))];
            let args = args.each_ref().map(|(name, url)| (*name, url.as_str()));
            let answer = guests.ok(&format!("{guest}/fetch"), &args).await;
            assert_eq!(answer["status"], json!(200), "{guest} with {entry}");
        }
    }
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_an_error_for_the_guest_alone() {
    let origin = Origin::start().await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = unused.local_addr().expect("the port");
    drop(unused);
    let guests = allowing("http://127.0.0.1:*");
    for guest in GUESTS {
        let url = format!("http://{address}/");
        let error = guests
            .error(&format!("{guest}/fetch"), &[("url", &url)])
            .await;
        assert_eq!(error, "connection-refused", "{guest}");
        guests
            .ok(&format!("{guest}/fetch"), &[("url", &origin.url(""))])
            .await;
    }
}

/// How long the bodies are that guests send: from none to more than any buffer takes.
const BODIES: [&str; 4] = ["0", "1", "100000", "8000000"];

/// What each guest is told that posts a body of each length to `url`.
async fn posted_in_vain(guests: &Guests, url: &str, expected: &str) {
    for guest in GUESTS {
        for bytes in BODIES {
            let args = [("url", url), ("bytes", bytes)];
            let error = guests.error(&format!("{guest}/post"), &args).await;
            // Some cases say more.
            let case = error.split(':').next();
            assert_eq!(
                case,
                Some(expected),
                "{guest}: {bytes} bytes to {url}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_guest_that_sends_a_body_is_told_why_it_is_refused() {
    let origin = Origin::start().await;
    let guests = allowing("https://example.com");
    posted_in_vain(&guests, &origin.url(""), DENIED).await;
    assert_eq!(origin.connections().await, 0);
}

#[tokio::test]
async fn a_guest_that_sends_a_body_is_told_why_its_host_cannot_be_reached() {
    let guests = allowing("*://*:*");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = unused.local_addr().expect("the port");
    drop(unused);
    posted_in_vain(&guests, &format!("http://{address}/"), "connection-refused").await;
    // No part of a name is as long, so that no server of names has to be asked.
    let nowhere = format!("http://{}.test/", "x".repeat(64));
    posted_in_vain(&guests, &nowhere, "dns-error").await;
    // It speaks no TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("the port");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.write_all(b"no greeting of TLS at all").await;
            let _ = connection.shutdown().await;
            let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
        }
    });
    posted_in_vain(
        &guests,
        &format!("https://{address}/"),
        "tls-protocol-error",
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_body_arrives() {
    let origin = Origin::start().await;
    let guests = allowing(&format!("http://{}", origin.authority()));
    // Wasmtime gives a guest of 0.3 the connection's end in place of the answer, where both come at once.
    for bytes in BODIES {
        let url = origin.url("early");
        let args = [("url", url.as_str()), ("bytes", bytes)];
        let answer = guests.ok("outbound2/post", &args).await;
        let expected = json!({"status": 200, "body": "origin /early"});
        assert_eq!(answer, expected, "{bytes}");
    }
}

#[tokio::test]
async fn headers_of_the_other_connection_are_not_passed_on() {
    let origin = Origin::start().await;
    let guests = passing(&origin);
    for client in guests.host.clients() {
        let answer = client.get(&pass(&origin, "hop")).await;
        assert_eq!(answer.text(), "origin /hop");
        let version = client.version();
        assert_eq!(answer.header("x-end"), "2", "{version:?}");
        assert_eq!(answer.header("x-hop"), "", "{version:?}");
    }
}

/// The guest that answers with another server's answer as it comes, with `origin` allowed.
fn passing(origin: &Origin) -> Guests {
    allowing(&format!("http://{}", origin.authority()))
}

fn pass(origin: &Origin, path: &str) -> String {
    target("outbound3/pass", &[("url", &origin.url(path))])
}

#[tokio::test]
async fn an_answer_is_passed_on_whole() {
    let origin = Origin::start().await;
    let guests = passing(&origin);
    for client in guests.host.clients() {
        let answer = client.get(&pass(&origin, "teapot")).await;
        assert_eq!(answer.status, 418, "{:?}: {answer:?}", client.version());
        assert_eq!(answer.text(), "origin /teapot");
        for length in [0, 1, 65_536, 1 << 20, 8 << 20] {
            let answer = client.get(&pass(&origin, &format!("bytes/{length}"))).await;
            assert_eq!(answer.status, 200);
            let whole = answer.body.len() == length && answer.body.iter().all(|byte| *byte == b'b');
            assert!(
                whole,
                "{:?}: {} of {length} bytes",
                client.version(),
                answer.body.len()
            );
        }
    }
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let origin = Origin::start().await;
    let guests = passing(&origin);
    for client in guests.host.clients() {
        let path = pass(&origin, "part");
        let mut response = client
            .open(Method::GET, &path, &[], "")
            .await
            .expect("the head of an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-origin"], "part");
        let frame = within("the first bytes", response.frame()).await;
        let frame = frame.expect("a body").expect("a frame of it");
        assert_eq!(frame.into_data().expect("data"), "some");
    }
}

/// Asks for what cannot be had whole, and sees that the answer does not look so.
pub(super) async fn assert_not_whole(client: &Client, path: &str) {
    let answer = client.try_send(Method::GET, path, &[], "").await;
    assert!(
        answer
            .as_ref()
            .map_or(true, |answer| answer.status.is_server_error()),
        "{:?}: {answer:?}",
        client.version()
    );
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_not_passed_on_as_whole() {
    let origin = Origin::start().await;
    let guests = passing(&origin);
    for client in guests.host.clients() {
        let path = pass(&origin, "cut");
        assert_not_whole(&client, &path).await;
        let answer = client.get(&pass(&origin, "next")).await;
        assert_eq!(answer.text(), "origin /next", "{:?}", client.version());
    }
}
