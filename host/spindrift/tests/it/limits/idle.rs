//! Connections that their clients leave idle: how long they are kept, and what clients are told of it.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::harness::{App, Host, RawConnection, within};

const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";

fn start(args: &[&str]) -> Host {
    App::new().guest("trouble", "").start(args)
}

/// Sends `request`, and returns the head of the answer, which is a 200, in small letters.
async fn ask(connection: &mut RawConnection, request: &str) -> String {
    connection.send(request).await;
    let answer = connection.read_response().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "),
        "{answer}"
    );
    let (head, _) = answer.split_once("\r\n\r\n").expect("a whole head");
    head.to_ascii_lowercase()
}

/// A pool sends the next request on a connection as long as the time that it was told is not over. That time is as long as a
/// head may take, which is no limit for a connection that is idle.
#[tokio::test]
async fn a_pool_that_believes_what_it_is_told_loses_no_request() {
    let host = start(&["--header-timeout", "1s", "--keep-alive-timeout", "1s"]);
    let mut opened = Vec::new();
    for _ in 0..200 {
        // One after the other: each is asked on at once, whose first head has its time from the beginning.
        let mut connection = RawConnection::open(host.address()).await;
        ask(&mut connection, REQUEST).await;
        opened.push(connection);
    }
    let connections = (0..).zip(opened).map(|(number, mut connection)| {
        async move {
            for _ in 0..3 {
                let head = ask(&mut connection, REQUEST).await;
                assert!(head.contains("\r\nkeep-alive: timeout=1"), "{head}");
                assert!(head.contains("\r\nconnection: keep-alive"), "{head}");
                // Around that time: what is under way when it ends is not lost, either.
                sleep(Duration::from_millis(900 + number)).await;
            }
            connection
        }
    });
    let mut connections = join_all(connections).await;
    // In the end they are closed all the same, and no request was cut off.
    let began = Instant::now();
    for connection in &mut connections {
        assert_eq!(connection.read_to_end().await, "");
    }
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_client_says_whether_its_connection_is_kept() {
    let host = start(&[]);
    for (line, kept) in [
        ("HTTP/1.1\r\n", true),
        ("HTTP/1.1\r\nconnection: keep-alive\r\n", true),
        ("HTTP/1.1\r\nconnection: close\r\n", false),
        ("HTTP/1.0\r\n", false),
        ("HTTP/1.0\r\nconnection: keep-alive\r\n", true),
    ] {
        let request = format!("GET /trouble/count {line}host: x\r\n\r\n");
        let mut connection = host.connect().await;
        for _ in 0..3 {
            let head = ask(&mut connection, &request).await;
            assert_eq!(
                head.contains("\r\nkeep-alive: timeout=75"),
                kept,
                "{line:?}: {head}"
            );
            if !kept {
                assert_eq!(connection.read_to_end().await, "", "{line:?}");
                break;
            }
        }
    }
    let answer = host.http2().get("/trouble/count").await;
    assert_eq!(
        (answer.header("connection"), answer.header("keep-alive")),
        ("", "")
    );
}

#[tokio::test]
async fn empty_lines_and_requests_ahead_change_nothing() {
    let host = start(&["--header-timeout", "500ms"]);
    let mut connection = host.connect().await;
    ask(&mut connection, REQUEST).await;
    // As some clients send after a body. They begin no head, whose time would be over by the next request.
    connection.send("\r\n").await;
    sleep(Duration::from_millis(1500)).await;
    ask(&mut connection, REQUEST).await;
    connection.send(format!("\r\n{}", REQUEST.repeat(10))).await;
    for _ in 0..10 {
        let answer = connection.read_response().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_a_connection_that_was_used_and_no_other() {
    let host = start(&["--header-timeout", "500ms"]);
    let (mut begun, mut idle) = (host.connect().await, host.connect().await);
    for connection in [&mut begun, &mut idle] {
        ask(connection, REQUEST).await;
    }
    begun.send("GET /trouble/co").await;
    // Far sooner than the time that it may be idle.
    assert_eq!(begun.read_to_end().await, "");
    ask(&mut idle, REQUEST).await;
}

/// Its client answers PINGs and sends its own: that alone keeps no connection.
#[tokio::test]
async fn an_idle_connection_of_http2_is_closed_though_its_client_is_there() {
    let host = start(&["--keep-alive-timeout", "1s", "--header-timeout", "3s"]);
    let stream = within("a connection", TcpStream::connect(host.address())).await;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(100))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream.expect("a connection")))
        .await
        .expect("HTTP/2");
    let ended = tokio::spawn(connection);
    for _ in 0..3 {
        let request = Request::get("http://x/trouble/count").body(Empty::<Bytes>::new());
        let answer = sender.send_request(request.expect("a request"));
        let answer = within("an answer", answer).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        within("its body", answer.into_body().collect())
            .await
            .expect("a whole body");
        sleep(Duration::from_millis(1100)).await;
        assert!(!ended.is_finished(), "it was closed too early");
    }
    within("the end of the connection", ended)
        .await
        .expect("no panic")
        .expect("it was closed in good order");
}

/// It may be one that has gone away, so it is not waited for for long. What is being sent to it goes on.
#[tokio::test]
async fn a_client_that_has_closed_its_side_is_answered_if_that_takes_no_time() {
    let host = start(&["--request-timeout", "1000"]);
    for (path, answered) in [
        ("count", true),
        ("trickle?chunks=20&ms=150", true),
        ("stall", false),
    ] {
        let mut connection = host.connect().await;
        let request = format!("GET /trouble/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
        connection.send(request).await;
        connection.finish_sending().await;
        let answer = connection.read_to_end().await;
        assert_eq!(
            answer.starts_with("HTTP/1.1 200 "),
            answered,
            "{path}: {answer}"
        );
        assert!(
            !path.starts_with("trickle") || answer.ends_with("0\r\n\r\n"),
            "{answer}"
        );
    }
}
