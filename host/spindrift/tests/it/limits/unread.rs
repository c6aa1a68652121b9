//! Answers that clients leave unread where nothing of a body tells so, and answers that they read as slowly as they may, beside a
//! client that must not notice.

use bytes::Bytes;
use http::Method;

use super::guests::beside_healthy_traffic;
use super::heads::frame;
use super::slow_bodies::open;
use crate::harness::{App, Client, Host, Http2Connection, STORE, eventually};

const MEBIBYTE: u64 = 1 << 20;

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .args(args)
        .start()
}

async fn held(admin: &Client) -> f64 {
    let held = r#"spindrift_memory_held_bytes{purpose="answers"}"#;
    admin.metric(held).await
}

async fn refused(admin: &Client) -> f64 {
    let refused = r#"spindrift_memory_refused_total{purpose="answers"}"#;
    admin.metric(refused).await
}

async fn nothing_is_held(admin: &Client) {
    eventually("nothing is held for answers", async || {
        (held(admin).await == 0.0).then_some(())
    })
    .await;
}

/// Opens HTTP/2 and asks for as much on each of so many streams.
fn asked_over_http2(streams: u8, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "HEAD"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
    ] {
        // A literal field that is not indexed (RFC 7541, section 6.2.2).
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for number in 0..streams {
        bytes.extend(frame(1, 5, 2 * number + 1, &block));
    }
    bytes
}

#[tokio::test]
async fn heads_without_bodies_that_nobody_reads_are_within_the_budget() {
    let host = start(&["--memory-budget", "256MiB"]);
    let admin = host.admin();
    let client = host.http1();
    client.get("/kv3/get?key=k").await.expect(200);
    let before = host.resident_bytes();
    // 12.8 MB on each of 80, of which the system's buffers take some. One after the other: components take memory, too.
    let asked = asked_over_http2(128, "/trouble/huge-header?bytes=100000");
    let mut connections = Vec::new();
    for _ in 0..80 {
        connections.extend(open(&host, 1, &asked).await);
        eventually("all have run", async || {
            let under_way = admin.metric("spindrift_requests_under_way").await;
            (under_way == 0.0).then_some(())
        })
        .await;
    }
    eventually("there is no room for one more head", async || {
        (refused(&admin).await >= 1.0).then_some(())
    })
    .await;
    client.get("/kv3/get?key=k").await.expect(200);
    let held = held(&admin).await;
    assert!(held <= (256 * MEBIBYTE) as f64, "{held}");
    let most = host.most_resident_bytes().saturating_sub(before) / MEBIBYTE;
    assert!(most < 400, "{most} MiB more than at the beginning");
    drop(connections);
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn answers_to_requests_ahead_that_nobody_reads_are_charged() {
    let host = start(&["--memory-budget", "64MiB"]);
    let admin = host.admin();
    let asked = "HEAD /trouble/huge-header?bytes=100000 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    let ((), count) = beside_healthy_traffic(&host.http1(), async {
        let connections = open(&host, 10, asked.as_bytes()).await;
        eventually("their heads are charged", async || {
            (held(&admin).await >= 1_000_000.0).then_some(())
        })
        .await;
        drop(connections);
    })
    .await;
    assert!(count > 0);
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn answers_that_are_read_slowly_make_room_for_others() {
    // What is not read is cut off for its rate only after 20 s.
    let host = start(&["--memory-budget", "16MiB", "--answer-grace", "10s"]);
    let admin = host.admin();
    let client = host.http1();
    let value = "v".repeat(1_000_000);
    client.post("/kv3/set?key=large", value).await.expect(200);
    let mut slow = Vec::new();
    // An answer is given up once its client has had it for a while. Until then others are refused, or take the room of guests that
    // are still writing.
    eventually("an answer is given up for another", async || {
        let mut reader = Http2Connection::open(host.address(), 1).await;
        let path = "/kv3/get?key=large";
        let stream = reader.request(Method::GET, path, &Bytes::new()).await;
        if let Ok((_, body)) = stream.head().await {
            slow.push((reader, body));
        }
        let answer = client.get(path).await;
        let has_answer = answer.status == 200 && answer.body.len() > 1_000_000;
        let given_up = admin.metric("spindrift_answers_given_up_total").await;
        (has_answer && given_up >= 1.0).then_some(())
    })
    .await;
    drop(slow);
    nothing_is_held(&admin).await;
}
