//! Heads of requests that many clients send in part, or that are large, beside a client that must not notice.

use futures::future::join_all;
use tokio::io::AsyncWriteExt;

use super::guests::beside_healthy_traffic;
use crate::harness::{
    App, Client, Host, RawConnection, STORE, certificate, eventually, tls_session,
    with_certificate, within,
};

const MEBIBYTE: u64 = 1 << 20;

/// With 16 MiB for heads, a quarter of the budget.
fn start() -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .args(&["--memory-budget", "64MiB"])
        // Nothing here ends by a time-out.
        .args(&["--header-timeout", "600s", "--body-grace", "600s"])
        .start()
}

/// So many connections that have sent `bytes`.
async fn open(host: &Host, count: usize, bytes: &[u8]) -> Vec<RawConnection> {
    // Of the sockets here.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let connections = (0..count).map(|_| async {
        let mut connection = host.connect().await;
        connection.send(bytes).await;
        connection
    });
    join_all(connections).await
}

/// Waits until so many clients have been refused for their heads, and checks that no more is held than may be.
async fn refused(admin: &Client, count: f64) {
    eventually("many are refused", async || {
        let refused = r#"spindrift_memory_refused_total{purpose="heads"}"#;
        (admin.metric(refused).await >= count).then_some(())
    })
    .await;
    let held = held(admin).await;
    assert!(held > 0.0 && held <= f64::from(16 << 20), "{held}");
}

async fn held(admin: &Client) -> f64 {
    let held = r#"spindrift_memory_held_bytes{purpose="heads"}"#;
    admin.metric(held).await
}

/// How many of those that send nothing more are told why they are refused.
async fn told(connections: Vec<RawConnection>) -> usize {
    let told = connections.into_iter().map(async |mut connection| {
        connection.finish_sending().await;
        let answer = connection.read_to_end().await.to_ascii_lowercase();
        let is_told = answer.starts_with("http/1.1 503 ")
            && answer.contains("--memory-budget")
            && answer.contains("retry-after: 1\r\n");
        usize::from(is_told)
    });
    join_all(told).await.into_iter().sum()
}

async fn nothing_is_held(admin: &Client) {
    eventually("nothing is held for heads", async || {
        (held(admin).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn heads_that_do_not_end_take_no_more_than_their_share() {
    let host = start();
    let admin = host.admin();
    let client = host.http1();
    client.get("/kv3/get?key=k").await.expect(200);
    let before = host.resident_bytes();
    let part = format!(
        "GET /trouble/count HTTP/1.1\r\nhost: x\r\nx: {}",
        "x".repeat(120_000)
    );
    let ((), count) = beside_healthy_traffic(&client, async {
        // 114 MiB, and twice as much in buffers that have grown.
        let connections = open(&host, 1000, part.as_bytes()).await;
        refused(&admin, 800.0).await;
        let told = told(connections).await;
        assert!((800..1000).contains(&told), "{told} were told");
    })
    .await;
    assert!(count > 0);
    let most = host.most_resident_bytes().saturating_sub(before) / MEBIBYTE;
    assert!(most < 80, "{most} MiB more than at the beginning");
    nothing_is_held(&admin).await;
    // One that is as large, and ends, is answered.
    let mut connection = host.connect().await;
    connection.send(format!("{part}\r\n\r\n")).await;
    let answer = connection.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn trailers_that_do_not_end_are_charged() {
    let host = start();
    let admin = host.admin();
    let part = format!(
        "POST /trouble/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx: {}",
        "x".repeat(15_000)
    );
    let (connections, count) = beside_healthy_traffic(&host.http1(), async {
        let connections = open(&host, 100, part.as_bytes()).await;
        eventually("their trailers are charged", async || {
            (held(&admin).await >= 1_500_000.0).then_some(())
        })
        .await;
        connections
    })
    .await;
    assert!(count > 0);
    // One that is as large, and ends, is answered.
    let mut connection = host.connect().await;
    connection.send(format!("{part}\r\n\r\n")).await;
    let answer = connection.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop((connection, connections));
    nothing_is_held(&admin).await;
}

/// A frame of HTTP/2 on the first stream.
pub(super) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short one")
        .to_be_bytes();
    let head = [&length[1..], &[kind, flags, 0, 0, 0, stream]].concat();
    [&head, payload].concat()
}

#[tokio::test]
async fn field_blocks_that_do_not_end_take_no_more_than_their_share() {
    let host = start();
    let admin = host.admin();
    // One field, whose value has a length of 60,000 (RFC 7541, sections 5.1 and 6.2.2).
    let mut field = vec![0, 1, b'x', 0x7f];
    let rest = 60_000 - 127;
    field.extend([
        (rest & 0x7f) as u8 | 0x80,
        (rest >> 7 & 0x7f) as u8 | 0x80,
        (rest >> 14) as u8,
    ]);
    field.resize(48_000, b'v');
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for (number, payload) in field.chunks(16_000).enumerate() {
        let kind = if number == 0 { 1 } else { 9 };
        bytes.extend(frame(kind, 0, 1, payload));
    }
    let (connections, count) = beside_healthy_traffic(&host.http2(), async {
        let connections = open(&host, 600, &bytes).await;
        refused(&admin, 400.0).await;
        connections
    })
    .await;
    assert!(count > 0);
    drop(connections);
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn large_heads_of_requests_that_wait_take_no_more_than_their_share() {
    let host = start();
    let admin = host.admin();
    let head = format!(
        "POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nx: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    let ((), count) = beside_healthy_traffic(&host.http1(), async {
        let connections = open(&host, 400, head.as_bytes()).await;
        refused(&admin, 200.0).await;
        let told = told(connections).await;
        assert!((200..400).contains(&told), "{told} were told");
    })
    .await;
    assert!(count > 0);
    nothing_is_held(&admin).await;
}

#[tokio::test]
async fn what_tls_cannot_decrypt_yet_takes_no_more_than_its_share() {
    let certified = certificate();
    let key = certified.signing_key.serialize_pem();
    let app = App::new().guest("kv3", STORE);
    let (app, flags) = with_certificate(app, &certified.cert.pem(), &key);
    let host = app
        .command()
        .args(&flags)
        .args(&["--admin-listen", "127.0.0.1:0"])
        // 2 MiB for heads.
        .args(&["--memory-budget", "8MiB", "--header-timeout", "600s"])
        .start();
    let admin = host.admin();
    let refused = r#"spindrift_memory_refused_total{purpose="heads"}"#;
    let most = f64::from(2 << 20);
    // Most of a record of 16 KiB: of a handshake, and of what comes after it (RFC 8446, section 5.1).
    let part = |kind: u8| [&[kind, 3, 3, 0x40, 0][..], &[1; 15_000]].concat();
    let handshakes = open(&host, 100, &part(22)).await;
    eventually("handshakes are refused", async || {
        (admin.metric(refused).await >= 20.0).then_some(())
    })
    .await;
    let charged = held(&admin).await;
    assert!(charged > 0.0 && charged <= most, "{charged}");
    drop(handshakes);
    nothing_is_held(&admin).await;

    let before = admin.metric(refused).await;
    let sessions = join_all((0..100).map(|_| async {
        let session = tls_session(host.address(), &certified, &["http/1.1"]).await;
        let mut session = session.expect("a session");
        let sent = session.get_mut().0.write_all(&part(23)).await;
        sent.map(|()| session)
    }));
    let sessions = within("sessions", sessions).await;
    eventually("records are refused", async || {
        (admin.metric(refused).await >= before + 20.0).then_some(())
    })
    .await;
    let charged = held(&admin).await;
    assert!(charged > 0.0 && charged <= most, "{charged}");
    drop(sessions);
    nothing_is_held(&admin).await;
}
