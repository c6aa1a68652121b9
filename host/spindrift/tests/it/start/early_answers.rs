//! What a host answers before its application is served, and what becomes of connections that were opened by then.

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal::SIGTERM;
use tokio::net::TcpStream;

use crate::harness::{App, Client, STORE, Starting, eventually, within};

async fn start(args: &[&str]) -> Starting {
    let app = App::new().guest("trouble", "");
    Starting::building(app, "trouble", args).await
}

#[tokio::test]
async fn probes_are_answered_and_everything_else_is_put_off() {
    // There each failure has a line, and not just the first of a kind.
    let starting = start(&["--log-level", "debug"]).await;
    for client in starting.host.clients() {
        let version = client.version();
        let live = client.get("/.well-known/spindrift/live").await;
        assert_eq!(
            (live.status.as_u16(), &*live.text()),
            (200, "ok\n"),
            "{version:?}"
        );
        let ready = client.get("/.well-known/spindrift/ready").await;
        assert_eq!(ready.status, 503, "{version:?}");
        assert_eq!(
            ready.text(),
            format!("starting: {}\n", Starting::WAITS),
            "{version:?}"
        );
        for (method, path) in [
            (Method::GET, "/trouble/count"),
            (Method::PUT, "/put"),
            (Method::GET, "/"),
            // They tell of the application.
            (Method::GET, "/.well-known/spin/health"),
            (Method::GET, "/.well-known/spin/info"),
        ] {
            let answer = client.send(method, path, &[], "").await;
            let body = answer.expect_for(503, path);
            assert_eq!(answer.header("retry-after"), "1", "{path}");
            assert_eq!(answer.header("content-type"), "application/json", "{path}");
            let detail = body["detail"].as_str().expect("a detail");
            assert!(detail.contains("the host is starting"), "{path}: {detail}");
            assert!(detail.contains(Starting::WAITS), "{path}: {detail}");
            let id = body["request_id"].as_str().expect("an id");
            starting.host.logged(&[id, path]);
        }
        let head = client.send(Method::HEAD, "/trouble/count", &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (503, 0));
        let put = client.put("/.well-known/spindrift/live", "").await;
        assert_eq!(put.status, 405);
    }
    assert_eq!(starting.host.printed(), "", "it does not serve yet");
    starting.serve();
    for client in starting.host.clients() {
        client.get("/trouble/count").await.expect(200);
        let ready = client.get("/.well-known/spindrift/ready").await;
        assert_eq!((ready.status.as_u16(), &*ready.text()), (200, "ok\n"));
        let health = client.get("/.well-known/spin/health").await;
        assert_eq!(health.status, 200);
    }
}

#[tokio::test]
async fn the_admin_port_answers_probes_too() {
    let starting = start(&["--admin-listen", "127.0.0.1:0"]).await;
    let line = starting.host.logged(&["administration on http"]);
    let (_, base) = line.split_once("administration on ").expect("an address");
    let admin = Client::http1(base.to_owned());
    assert_eq!(admin.get("/live").await.status, 200);
    for path in ["/ready", "/metrics", "/status"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(
            answer.text(),
            format!("starting: {}\n", Starting::WAITS),
            "{path}"
        );
    }
    starting.serve();
    for path in ["/live", "/ready", "/metrics", "/status"] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn probes_are_told_how_far_the_components_are() {
    let app = App::new().guest("trouble", "").guest("kv3", STORE);
    let host = app.command().args(&["--disable-cache"]).start_listening();
    let client = host.http1();
    let told = eventually("it compiles", async || {
        let ready = client.get("/.well-known/spindrift/ready").await.text();
        ready.contains("compiled: ").then_some(ready)
    })
    .await;
    assert!(
        told.starts_with("starting: the components are being compiled: ")
            && told.contains(" of 2 "),
        "{told}"
    );
    assert!(
        told.contains("works on component '") || told.contains("2 of 2"),
        "{told}"
    );
}

#[tokio::test]
async fn a_connection_that_was_opened_early_is_served_by_the_application() {
    const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
    let starting = start(&[]).await;
    let mut silent = starting.host.connect().await;
    let mut asked = starting.host.connect().await;
    asked.send(REQUEST).await;
    let answer = asked.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");

    let stream = within("a connection", TcpStream::connect(starting.host.address())).await;
    let stream = TokioIo::new(stream.expect("a connection"));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let mut ask = async || {
        let request = Request::get("http://x/trouble/count").body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.expect("a request"));
        let answer = within("an answer", answer).await.expect("an answer");
        let status = answer.status().as_u16();
        within("its body", answer.into_body().collect())
            .await
            .expect("a whole body");
        status
    };
    assert_eq!(ask().await, 503);

    starting.serve();
    for connection in [&mut silent, &mut asked] {
        connection.send(REQUEST).await;
        let answer = connection.read_response().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(ask().await, 200);
}

/// Clients that ask all the time, each request on a connection of its own, hear of nothing but the two answers.
#[tokio::test]
async fn nobody_is_turned_away_when_the_application_takes_over() {
    let starting = start(&[]).await;
    let clients = (0..8).map(|_| {
        eventually("the application answers", async || {
            // Without an answer the test fails here.
            let answer = starting.host.http1().get("/trouble/count").await;
            match answer.status.as_u16() {
                200 => Some(()),
                503 => None,
                other => panic!("{other}: {answer:?}"),
            }
        })
    });
    tokio::join!(join_all(clients), async { starting.finish_build() });
}

/// A client that is answered before it has sent everything would not read the answer if the connection were reset.
#[tokio::test]
async fn a_large_request_is_put_off_without_a_reset() {
    let starting = start(&[]).await;
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    for client in starting.host.clients() {
        for _ in 0..5 {
            let answer = client.put("/put", body.clone()).await;
            answer.expect_for(503, format!("{:?}", client.version()));
        }
    }
}

/// Nobody was told that it can be sent requests, so nobody has to hear first that it goes.
#[tokio::test]
async fn a_signal_ends_the_start_without_a_delay() {
    let mut starting = start(&["--shutdown-delay", "3600s"]).await;
    let client = starting.host.http1();
    assert_eq!(client.get("/").await.status, 503);
    starting.host.signal(SIGTERM);
    assert_eq!(starting.host.wait().code(), Some(0));
    assert_eq!(starting.host.printed(), "");
}
