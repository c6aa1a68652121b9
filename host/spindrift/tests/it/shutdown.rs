//! Stopping: what is under way is finished, nothing is cut off, and it never takes for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use http::header::CONNECTION;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal::{self, SIGINT, SIGTERM};
use serde_json::json;
use tokio::net::TcpStream;

use crate::harness::{App, Client, Host, STORE, eventually, within};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", STORE)
        .start(args)
}

/// Opens a response whose body takes `ms` milliseconds more: a request that is under way.
async fn open(client: &Client, ms: u32) -> hyper::body::Incoming {
    let path = format!("/trouble/trickle?chunks=10&ms={}", ms / 10);
    let response = client
        .open(Method::GET, &path, &[], "")
        .await
        .expect("a head");
    response.into_body()
}

/// Checks that the whole body of [`open`] came.
async fn finish(body: hyper::body::Incoming) {
    let body = within("the rest of the body", body.collect())
        .await
        .expect("a whole body")
        .to_bytes();
    assert_eq!(body.split(|&byte| byte == b'\n').count(), 11, "{body:?}");
}

#[tokio::test]
async fn either_signal_lets_requests_finish_and_ends_with_0() {
    for signal in [SIGTERM, SIGINT] {
        let mut host = start(&[]);
        let bodies = [
            open(&host.http1(), 1000).await,
            open(&host.http2(), 1000).await,
        ];
        host.signal(signal);
        host.logged(&[signal.as_str(), "finishing"]);
        for body in bodies {
            finish(body).await;
        }
        assert_eq!(host.wait().code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_request_whose_answer_has_not_begun_is_finished() {
    let mut host = start(&["--max-concurrent-requests", "1"]);
    let (slow, client) = (host.http1(), host.http1());
    let path = "/kv3/increment?key=n&wait=1500";
    let request = tokio::spawn(async move { slow.get_patiently(path).await });
    // There is no room beside it once it is under way.
    eventually("the request is under way", async || {
        (client.get("/kv3/get?key=n").await.status == 503).then_some(())
    })
    .await;
    host.signal(SIGTERM);
    let answer = within("the answer", request).await.expect("no panic");
    assert_eq!(answer.expect(200), json!({"ok": 1}));
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(host.wait().code(), Some(0));
}

/// One connection that sends a request after another until it is told not to. Every request that it sent must have
/// its whole answer.
async fn keep_asking_http1(address: std::net::SocketAddr, asked: Arc<AtomicUsize>) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    loop {
        // Without having said so, the host must not close it.
        sender.ready().await.expect("an open connection");
        let request = Request::get("/kv3/set?key=k&value=v")
            .header("host", "x")
            .body(Empty::<Bytes>::new());
        let answer = sender
            .send_request(request.expect("a request"))
            .await
            .expect("an answer to what was sent");
        let last = answer
            .headers()
            .get(CONNECTION)
            .is_some_and(|value| value == "close");
        assert_done(answer).await;
        asked.fetch_add(1, Ordering::Relaxed);
        if last {
            return;
        }
    }
}

/// Checks that an answer says that the request was done, and comes whole.
async fn assert_done(answer: Response<Incoming>) {
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("a whole body");
    assert_eq!(body.to_bytes(), r#"{"ok":true}"#);
}

/// The same on HTTP/2, with several requests at a time.
async fn keep_asking_http2(address: std::net::SocketAddr, asked: Arc<AtomicUsize>) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let streams = (0..4).map(|_| {
        let (mut sender, asked) = (sender.clone(), asked.clone());
        async move {
            // Not ready any more: the host has said that it takes no more requests.
            while sender.ready().await.is_ok() {
                let request =
                    Request::get("http://x/kv3/set?key=k&value=v").body(Empty::<Bytes>::new());
                let answer = match sender.send_request(request.expect("a request")).await {
                    Ok(answer) => answer,
                    // It never left.
                    Err(error) if error.is_canceled() => return,
                    Err(error) => panic!("no answer to what was sent: {error:?}"),
                };
                assert_done(answer).await;
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    join_all(streams).await;
}

#[tokio::test]
async fn under_load_no_request_is_cut_off() {
    for _ in 0..3 {
        let mut host = start(&[]);
        let address = host.address();
        let asked = Arc::new(AtomicUsize::new(0));
        let mut connections = Vec::new();
        for _ in 0..8 {
            connections.push(tokio::spawn(keep_asking_http1(address, asked.clone())));
        }
        for _ in 0..2 {
            connections.push(tokio::spawn(keep_asking_http2(address, asked.clone())));
        }
        eventually("load", async || {
            (asked.load(Ordering::Relaxed) > 300).then_some(())
        })
        .await;
        host.signal(SIGTERM);
        for connection in connections {
            within("the end of a connection", connection)
                .await
                .expect("nothing was cut off");
        }
        assert_eq!(host.wait().code(), Some(0));
        let log = host.log_to_end();
        assert!(log.iter().all(|line| !line.contains("cut off")), "{log:?}");
    }
}

#[tokio::test]
async fn idle_connections_hold_nothing_up() {
    let mut host = start(&["--shutdown-timeout", "1000"]);
    // One that has had an answer, one that has not asked yet, one of HTTP/2.
    let mut used = host.connect().await;
    used.send("GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    used.read_response().await;
    let mut unused = host.connect().await;
    let client = host.http2();
    client.get("/trouble/count").await.expect(200);
    host.signal(SIGTERM);
    assert_eq!(host.wait().code(), Some(0));
    assert_eq!(used.read_to_end().await, "");
    assert_eq!(unused.read_to_end().await, "");
}

/// What has not arrived as a whole, or is not read, has a short time, whatever the others have.
#[tokio::test]
async fn clients_that_stall_hold_nothing_up_and_what_is_under_way_is_finished() {
    const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut host = start(&[
        "--shutdown-timeout",
        "1000",
        "--request-timeout",
        "1000",
        "--header-timeout",
        "1000",
        "--body-grace",
        "1000",
        "--answer-grace",
        "1000",
    ]);
    let (mut silent, mut first, mut second) = (
        host.connect().await,
        host.connect().await,
        host.connect().await,
    );
    first.send("GET /trouble/co").await;
    second.send(REQUEST).await;
    second.read_response().await;
    second.send("GET /trouble/co").await;
    let mut late = host.connect().await;
    late.send(REQUEST).await;
    late.read_response().await;
    let (begin, rest) = REQUEST.split_at(20);
    late.send(begin).await;
    let mut body = host.connect().await;
    body.send("POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1")
        .await;
    // Neither reads what it is answered.
    let mut unread = host.connect().await;
    unread
        .send("GET /trouble/big?bytes=1000000000 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let unread2 = host
        .http2()
        .open(Method::GET, "/trouble/big?bytes=1000000000", &[], "")
        .await
        .expect("a head");
    let bodies = [
        open(&host.http1(), 4000).await,
        open(&host.http2(), 4000).await,
    ];
    host.signal(SIGTERM);
    host.logged(&["finishing"]);
    late.send(rest).await;
    let answer = late.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for connection in [&mut silent, &mut first, &mut second] {
        assert_eq!(connection.read_to_end().await, "");
    }
    let answer = body.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("retry-after: 1"),
        "{answer}"
    );
    for body in bodies {
        finish(body).await;
    }
    assert_eq!(host.wait().code(), Some(0));
    drop((unread, unread2));
    let log = host.log_to_end();
    assert!(log.iter().all(|line| !line.contains("cut off")), "{log:?}");
}

#[tokio::test]
async fn a_host_that_stops_takes_no_new_connections() {
    let mut host = start(&[]);
    let body = open(&host.http1(), 2000).await;
    host.signal(SIGTERM);
    eventually("connections are refused", async || {
        TcpStream::connect(host.address())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    assert!(host.ended().is_none(), "it ended before its request did");
    finish(body).await;
    assert_eq!(host.wait().code(), Some(0));
}

/// Whoever sends it requests may hear late that it goes.
#[tokio::test]
async fn connections_are_taken_for_a_while_if_that_is_asked_for() {
    let mut host = start(&["--shutdown-delay", "5s"]);
    let probe = |name| format!("/.well-known/spindrift/{name}");
    let ask = async |name| {
        // A new connection each time.
        let answer = host.http1().get(&probe(name)).await;
        (answer.status.as_u16(), answer.text())
    };
    assert_eq!(ask("ready").await, (200, "ok\n".to_owned()));
    host.signal(SIGTERM);
    host.logged(&["finishing"]);
    for _ in 0..3 {
        assert_eq!(ask("ready").await, (503, "shutting down\n".to_owned()));
        assert_eq!(ask("live").await, (200, "ok\n".to_owned()));
        let answer = host.http1().get("/kv3/set?key=k&value=v").await;
        assert_eq!(answer.expect(200), json!({"ok": true}));
        assert_eq!(answer.header("connection"), "close");
    }
    assert!(host.ended().is_none(), "it ended before its time");
    eventually("connections are refused", async || {
        TcpStream::connect(host.address())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    assert_eq!(host.wait().code(), Some(0));
}

#[tokio::test]
async fn the_wait_is_bounded() {
    let mut host = start(&["--shutdown-timeout", "1s", "--request-timeout", "1000"]);
    let client = host.http1();
    let response = client
        .open(Method::GET, "/trouble/stall-after-head", &[], "")
        .await
        .expect("a head");
    host.signal(SIGTERM);
    // Long before the request's own time is up.
    assert_eq!(host.wait().code(), Some(0));
    assert!(
        within("the end of the body", response.into_body().collect())
            .await
            .is_err()
    );
    let log = host.log_to_end().join("\n");
    assert!(
        log.contains("WARN") && log.contains("cut off") && log.contains("1s"),
        "{log}"
    );
}

#[tokio::test]
async fn a_loop_does_not_hold_up_the_end() {
    let args = [
        "--shutdown-timeout",
        "1s",
        "--request-timeout",
        "1000",
        "--workers",
        "1",
        "--max-concurrent-requests",
        "1",
    ];
    let mut host = start(&args);
    let (looping, client) = (host.http1(), host.http1());
    let request = tokio::spawn(async move {
        loop {
            // The request below may have the only place.
            match looping
                .try_send(Method::GET, "/trouble/spin", &[], "")
                .await
            {
                Ok(answer) if answer.status == 503 => {}
                outcome => return outcome,
            }
        }
    });
    eventually("the loop is under way", async || {
        (client.get("/kv3/get?key=n").await.status == 503).then_some(())
    })
    .await;
    host.signal(SIGTERM);
    assert_eq!(host.wait().code(), Some(0));
    assert!(
        within("the end of the request", request)
            .await
            .expect("no panic")
            .is_err()
    );
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let signals: [(Signal, Signal, i32); 3] = [
        (SIGTERM, SIGTERM, 143),
        (SIGINT, SIGINT, 130),
        (SIGTERM, SIGINT, 130),
    ];
    for (first, second, code) in signals {
        let mut host = start(&["--shutdown-timeout", "1000", "--request-timeout", "1000"]);
        let client = host.http1();
        let stalled = client
            .open(Method::GET, "/trouble/stall-after-head", &[], "")
            .await
            .expect("a head");
        host.signal(first);
        host.logged(&["finishing"]);
        assert!(host.ended().is_none());
        host.signal(second);
        assert_eq!(host.wait().code(), Some(code), "{first} and {second}");
        drop(stalled);
    }
}
