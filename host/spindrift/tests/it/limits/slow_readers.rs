//! Clients that do not read what they are answered, beside one that must not notice.

use std::cell::Cell;

use bytes::Bytes;
use futures::future::{join, join_all};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::guests::beside_healthy_traffic;
use crate::harness::{
    App, Client, Host, Http2Connection, Http2Stream, RawConnection, STORE, certificate, eventually,
    tls_session, with_certificate, within,
};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", "")
        .guest("trouble2", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .args(args)
        .start()
}

/// So many streams on each of so many connections, whose windows are of so many bytes and are never opened again.
async fn closed_streams(
    host: &Host,
    connections: usize,
    streams: usize,
    window_bytes: u32,
    (path, body): (&str, &Bytes),
) -> (Vec<Http2Connection>, Vec<Http2Stream>) {
    let method = if body.is_empty() {
        Method::GET
    } else {
        Method::POST
    };
    let (mut opened, mut sent) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        let mut connection = Http2Connection::open(host.address(), window_bytes).await;
        for _ in 0..streams {
            sent.push(connection.request(method.clone(), path, body).await);
        }
        opened.push(connection);
    }
    (opened, sent)
}

async fn no_guest_runs(admin: &Client) {
    eventually("no guest runs", async || {
        (admin.metric("spindrift_requests_under_way").await == 0.0).then_some(())
    })
    .await;
}

async fn nothing_is_held(admin: &Client) {
    eventually("nothing is held for answers", async || {
        let held = r#"spindrift_memory_held_bytes{purpose="answers"}"#;
        (admin.metric(held).await == 0.0).then_some(())
    })
    .await;
}

/// Asks for a streamed answer that is too long for any buffer, and reads no more than its beginning.
async fn ask_and_stop(host: &Host, guest: &str) -> RawConnection {
    let mut connection = host.connect().await;
    let target = format!("/{guest}/big?bytes=20000000");
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
    connection.send(request).await;
    connection.wait_for_some().await;
    connection
}

#[tokio::test]
async fn readers_of_streams_that_stop_leave_room_for_others() {
    let host = start(&[
        "--max-concurrent-requests",
        "40",
        "--answer-grace",
        "1s",
        // Those that were refused have their answer, and their connections end once they have been idle.
        "--keep-alive-timeout",
        "1s",
    ]);
    let admin = host.admin();
    for guest in ["trouble", "trouble2"] {
        let before = admin.metric("spindrift_cut_slow_readers_total").await;
        let (mut connections, count) = beside_healthy_traffic(&host.http1(), async {
            let mut connections = Vec::new();
            for _ in 0..120 {
                connections.push(ask_and_stop(&host, guest).await);
            }
            eventually("their connections are closed", async || {
                let cut = admin.metric("spindrift_cut_slow_readers_total").await;
                (cut >= before + 20.0).then_some(())
            })
            .await;
            connections
        })
        .await;
        assert!(count > 1, "{count}");
        for connection in &mut connections {
            connection.read_to_end().await;
        }
        no_guest_runs(&admin).await;
        nothing_is_held(&admin).await;
    }
}

#[tokio::test]
async fn readers_over_tls_that_stop_are_cut_off_and_others_notice_nothing() {
    let certified = certificate();
    let app = App::new().guest("kv3", STORE).guest("trouble", "");
    let key = certified.signing_key.serialize_pem();
    let (app, flags) = with_certificate(app, &certified.cert.pem(), &key);
    let host = app
        .command()
        .args(&flags)
        .args(&["--admin-listen", "127.0.0.1:0", "--answer-grace", "1s"])
        .args(&["--max-concurrent-requests", "60"])
        .start();
    let admin = host.admin();
    let session = async |protocol| {
        let session = tls_session(host.address(), &certified, &[protocol]).await;
        session.expect("a session")
    };
    let (mut innocent, connection) = http1::handshake(TokioIo::new(session("http/1.1").await))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    let done = Cell::new(false);
    let healthy = async {
        let mut count = 0;
        while !done.get() {
            let request = Request::get("/kv3/get?key=k").header("host", "localhost");
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            let answer = within("an answer", innocent.send_request(request)).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200);
            let body = within("its body", answer.into_body().collect()).await;
            body.expect("a whole body");
            count += 1;
        }
        count
    };
    let trouble = async {
        const PATH: &str = "/trouble/big?bytes=20000000";
        let cut = async |count: f64| {
            eventually("their answers are cut off", async || {
                let cut = admin.metric("spindrift_cut_slow_readers_total").await;
                (cut >= count).then_some(())
            })
            .await;
        };
        let mut connections = Vec::new();
        for _ in 0..20 {
            let mut connection = session("http/1.1").await;
            let request = format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            let sent = within(
                "a request is sent",
                connection.write_all(request.as_bytes()),
            )
            .await;
            sent.expect("a request is sent");
            let begun = within("the beginning of an answer", connection.read_u8()).await;
            begun.expect("the beginning of an answer");
            connections.push(connection);
        }
        cut(20.0).await;
        drop(connections);
        let stream = session("h2").await;
        let mut connection = Http2Connection::over(stream, "localhost".into(), 1).await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(connection.request(Method::GET, PATH, &Bytes::new()).await);
        }
        let reset = join_all(streams.into_iter().map(Http2Stream::until_reset)).await;
        assert!(reset.iter().all(|reset| *reset));
        cut(40.0).await;
        done.set(true);
    };
    let ((), count) = join(trouble, healthy).await;
    assert!(count > 1, "{count}");
    no_guest_runs(&admin).await;
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn a_stream_that_is_read_takes_the_place_of_one_that_is_not() {
    let host = start(&["--max-concurrent-requests", "8", "--answer-grace", "3600s"]);
    let admin = host.admin();
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(ask_and_stop(&host, "trouble").await);
    }
    let client = host.http1();
    let ((), _) = beside_healthy_traffic(&host.http1(), async {
        eventually("a stream is read to its end", async || {
            let answer = client.get("/trouble/big?bytes=20000000").await;
            (answer.body.len() == 20_000_000).then_some(())
        })
        .await;
    })
    .await;
    assert!(admin.metric("spindrift_cut_streamed_answers_total").await > 0.0);
    assert_eq!(admin.metric("spindrift_cut_slow_readers_total").await, 0.0);
}

#[tokio::test]
async fn streams_whose_windows_stay_closed_are_reset() {
    let host = start(&["--answer-grace", "500ms", "--memory-budget", "256MiB"]);
    let admin = host.admin();
    let long = Bytes::from(vec![b'x'; 200_000]);
    let answers = [
        ("/trouble/count", &Bytes::new()),
        ("/trouble/echo", &long),
        ("/trouble/big?bytes=5000000", &Bytes::new()),
        ("/trouble2/big?bytes=3000000", &Bytes::new()),
        ("/.well-known/spin/info", &Bytes::new()),
        ("/none", &Bytes::new()),
    ];
    // With a window of one byte, something is sent of each answer.
    for (answer, window_bytes) in answers
        .into_iter()
        .flat_map(|answer| [(answer, 0), (answer, 1)])
    {
        // The guest of WASI 0.2 holds all that it writes, and the budget has no room for many of these.
        let is_large = !answer.1.is_empty() || answer.0.starts_with("/trouble2");
        let count = if is_large { 10 } else { 200 };
        let ((), healthy) = beside_healthy_traffic(&host.http1(), async {
            let (connections, streams) =
                closed_streams(&host, 2, count, window_bytes, answer).await;
            let reset = join_all(streams.into_iter().map(Http2Stream::until_reset)).await;
            assert!(reset.iter().all(|reset| *reset), "{}", answer.0);
            drop(connections);
        })
        .await;
        assert!(healthy > 1, "{}: {healthy}", answer.0);
        no_guest_runs(&admin).await;
        nothing_is_held(&admin).await;
    }
    assert_eq!(admin.metric("spindrift_refused_busy_total").await, 0.0);
}

#[tokio::test]
async fn one_connection_does_not_hold_any_number_of_long_answers() {
    let args = ["--admin-listen", "127.0.0.1:0", "--memory-budget", "256MiB"];
    let host = Host::start(&args);
    let admin = host.admin();
    let client = host.http1();
    let path = "/docs/swagger-ui-bundle.js";
    let length = client.get(path).await.body.len();
    assert!(length > 500_000, "{length}");
    let (connections, streams) = closed_streams(&host, 4, 256, 0, (path, &Bytes::new())).await;
    for number in 0..20 {
        // The budget may be spent until the host gives up the oldest of these answers: a request is told to try again then.
        let body = serde_json::json!({"key": "k", "value": format!("{number}")}).to_string();
        eventually("room for a write", async || {
            (client.put("/put", body.clone()).await.status == 200).then_some(())
        })
        .await;
        let value = eventually("room for a read", async || {
            let answer = client.get("/get/k").await;
            (answer.status == 200).then(|| answer.json()["value"].clone())
        })
        .await;
        assert_eq!(value, format!("{number}"));
        let held = admin
            .metric(r#"spindrift_memory_held_bytes{purpose="answers"}"#)
            .await;
        // What puts the budget under pressure, what each may have then, and what each stream takes.
        let most = (64 << 20) + 4 * (32 << 20) + 1024 * 4096;
        assert!(held <= most as f64, "{held} of {most} bytes");
    }
    // The same connection goes on where its client reads, and sends again what is refused.
    let mut reading = Http2Connection::open(host.address(), 1 << 20).await;
    for _ in 0..40 {
        eventually("an answer of the whole length", async || {
            let stream = reading.request(Method::GET, path, &Bytes::new()).await;
            (read_or_refused(stream).await == Some(length)).then_some(())
        })
        .await;
    }
    drop((streams, connections));
    nothing_is_held(&admin).await;
}

/// Reads an answer to its end, and gives its length; nothing if the host resets the stream to make room for others.
async fn read_or_refused(stream: Http2Stream) -> Option<usize> {
    let (_, mut body) = stream.head().await.ok()?;
    let mut length = 0;
    while let Some(data) = within("more of an answer", body.data()).await {
        let data = data.ok()?;
        length += data.len();
        body.flow_control().release_capacity(data.len()).ok()?;
    }
    Some(length)
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    // A fraction of the rate at which it is read: on a busy machine the client comes more slowly.
    let host = start(&["--answer-grace", "2s", "--min-answer-rate", "200"]);
    let long = Bytes::from(vec![b'x'; 40_000]);
    let mut connection = Http2Connection::open(host.address(), 1000).await;
    let stream = connection
        .request(Method::POST, "/trouble/echo", &long)
        .await;
    let (_, mut body) = stream.head().await.expect("a head");
    let mut length = 0;
    while let Some(data) = within("more of the answer", body.data()).await {
        let data = data.expect("more of the answer");
        length += data.len();
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        let released = body.flow_control().release_capacity(data.len());
        released.expect("what was received can be given back");
    }
    assert_eq!(length, long.len());
}

#[tokio::test]
async fn a_guest_that_writes_slowly_is_not_its_clients_fault() {
    let host = start(&["--answer-grace", "100ms", "--min-answer-rate", "1MiB"]);
    for client in host.clients() {
        for guest in ["trouble", "trouble2"] {
            let path = format!("/{guest}/trickle?chunks=4&ms=500");
            assert!(client.get(&path).await.text().ends_with("chunk 4\n"));
        }
    }
}

#[tokio::test]
async fn what_a_client_resets_is_freed_at_once() {
    let host = start(&[
        "--max-concurrent-requests",
        "30",
        // Nothing of this is freed by a time-out.
        "--answer-grace",
        "3600s",
        "--request-timeout",
        "3600s",
    ]);
    let admin = host.admin();
    let ((), _) = beside_healthy_traffic(&host.http1(), async {
        for path in ["/trouble/big?bytes=500000", "/trouble/big?bytes=100000000"] {
            for _ in 0..20 {
                // Dropped, a stream is reset.
                let sent = closed_streams(&host, 1, 20, 0, (path, &Bytes::new())).await;
                let (connections, streams) = sent;
                drop(streams);
                drop(connections);
            }
        }
    })
    .await;
    no_guest_runs(&admin).await;
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn a_place_is_free_when_the_guest_is_done_though_nobody_reads() {
    let host = start(&["--max-concurrent-requests", "2", "--answer-grace", "3600s"]);
    let long = Bytes::from(vec![b'x'; 200_000]);
    let (_connections, streams) = closed_streams(&host, 2, 5, 0, ("/trouble/echo", &long)).await;
    let answers = join_all(streams.into_iter().map(Http2Stream::head)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    no_guest_runs(&host.admin()).await;
    let client = host.http1();
    let opened = client
        .open(Method::GET, "/trouble/big?bytes=500000", &[], "")
        .await
        .expect("a head");
    for _ in 0..10 {
        client.get("/trouble/count").await.expect(200);
    }
    let body = within("the rest", opened.into_body().collect()).await;
    assert_eq!(body.expect("a body").to_bytes().len(), 500_000);
}
