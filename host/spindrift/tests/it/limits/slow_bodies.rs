//! Bodies that arrive slowly, in great numbers, or in small pieces, beside a client that must not notice.

use std::time::Duration;

use futures::future::join_all;

use super::detail;
use super::guests::beside_healthy_traffic;
use crate::harness::{App, Host, RawConnection, STORE, eventually};

fn start(args: &[&str]) -> Host {
    App::new()
        .guest("kv3", STORE)
        .guest("trouble", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .args(args)
        .start()
}

/// A head that announces a body of so many bytes.
fn head(bytes: usize) -> String {
    format!("POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n")
}

/// So many connections that have sent `bytes`.
pub(super) async fn open(host: &Host, count: usize, bytes: impl AsRef<[u8]>) -> Vec<RawConnection> {
    let bytes = bytes.as_ref();
    // Of the sockets here.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let connections = (0..count).map(|_| async {
        let mut connection = host.connect().await;
        connection.send(bytes).await;
        connection
    });
    join_all(connections).await
}

#[tokio::test]
async fn heads_without_bodies_take_nobodys_place() {
    let host = start(&["--body-grace", "1500ms"]);
    let admin = host.admin();
    let ((), count) = beside_healthy_traffic(&host.http1(), async {
        // More than `--max-concurrent-requests`.
        let connections = open(&host, 1200, &head(1000)).await;
        let gone = connections.into_iter().map(async |mut connection| {
            let answer = connection.read_response().await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(answer.contains("1024 bytes a second"), "{answer}");
        });
        join_all(gone).await;
    })
    .await;
    assert!(count > 1, "{count}");
    let refused = admin.metric("spindrift_refused_slow_bodies_total").await;
    assert_eq!(refused, 1200.0);
    assert_eq!(admin.metric("spindrift_refused_busy_total").await, 0.0);
}

#[tokio::test]
async fn a_byte_at_a_time_is_too_slow_and_takes_nobodys_place() {
    let host = start(&["--body-grace", "500ms", "--max-concurrent-requests", "20"]);
    let ((), _) = beside_healthy_traffic(&host.http1(), async {
        let slow = open(&host, 60, &head(100_000)).await;
        let slow = slow.into_iter().map(async |mut connection| {
            let byte = async || "x".to_owned();
            let answer = connection.read_to_end_while_sending(byte).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        });
        join_all(slow).await;
    })
    .await;
}

#[tokio::test]
async fn a_body_that_keeps_the_rate_arrives_however_long_it_takes() {
    // A fraction of the rate at which it is sent: on a busy machine it comes more slowly.
    let host = start(&["--body-grace", "2s", "--min-body-rate", "20"]);
    let mut connection = host.connect().await;
    connection.send(head(2000)).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        connection.send("x".repeat(100)).await;
    }
    let answer = connection.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with(&"x".repeat(2000)), "{answer}");
}

#[tokio::test]
async fn a_body_that_keeps_the_rate_has_no_more_time_than_its_request() {
    let host = start(&["--min-body-rate", "1", "--request-timeout", "1s"]);
    let mut connection = host.connect().await;
    connection.send(head(1_000_000)).await;
    let kib = async || "x".repeat(1024);
    let answer = connection.read_to_end_while_sending(kib).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("within the 1s"), "{answer}");
}

#[tokio::test]
async fn one_arriving_body_too_many_is_a_503() {
    let host = start(&["--max-arriving-bodies", "2"]);
    let mut arriving = open(&host, 2, &head(4)).await;
    let admin = host.admin();
    eventually("both are waited for", async || {
        (admin.metric("spindrift_arriving_bodies").await == 2.0).then_some(())
    })
    .await;
    let mut third = host.connect().await;
    third.send(head(8_000_000)).await;
    // The head is too large for a body, so that comes first.
    let answer = third.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let mut third = host.connect().await;
    third.send(head(1_000_000)).await;
    // Its body is still sent when the answer is there already.
    third.send("x".repeat(900_000)).await;
    let answer = third.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"));
    assert_eq!(admin.metric("spindrift_refused_bodies_total").await, 1.0);
    // What is there at once needs no place.
    let answer = host.http1().post("/trouble/echo", "at once").await;
    assert_eq!(answer.text(), "at once");
    for connection in &mut arriving {
        connection.send("body").await;
        let answer = connection.read_response().await;
        assert!(answer.ends_with("body"), "{answer}");
    }
    assert_eq!(admin.metric("spindrift_arriving_bodies").await, 0.0);
}

#[tokio::test]
async fn bodies_beyond_the_budget_are_refused_and_small_ones_are_not() {
    let host = start(&["--memory-budget", "64MiB", "--body-grace", "30s"]);
    let admin = host.admin();
    let held = async || {
        admin
            .metric(r#"spindrift_memory_held_bytes{purpose="bodies"}"#)
            .await
    };
    let body = "x".repeat(900 << 10);
    let (mut connections, _) = beside_healthy_traffic(&host.http1(), async {
        // 88 MiB, of which there is room for 32.
        let connections = open(&host, 100, &format!("{}{body}", head(1 << 20))).await;
        eventually("the rest is refused", async || {
            let refused = r#"spindrift_memory_refused_total{purpose="bodies"}"#;
            (admin.metric(refused).await >= 60.0).then_some(())
        })
        .await;
        let bytes = held().await;
        // And what others send meanwhile.
        assert!(bytes <= f64::from(33 << 20), "{bytes}");
        let client = host.http2();
        for _ in 0..10 {
            let small = "y".repeat(10_000);
            assert_eq!(
                client.post("/trouble/echo", small.clone()).await.text(),
                small
            );
        }
        connections
    })
    .await;
    // The host answers those that it refused, whatever they went on to send.
    let refused = connections.iter_mut().map(async |connection| {
        connection.send("x".repeat(124 << 10)).await;
        let answer = connection.read_response().await;
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("--memory-budget")
    });
    let refused = join_all(refused).await;
    let refused = refused.into_iter().filter(|refused| *refused).count();
    assert!((60..100).contains(&refused), "{refused}");
    drop(connections);
    eventually("nothing is held", async || {
        (held().await == 0.0).then_some(())
    })
    .await;
    let answer = host.http1().post("/trouble/echo", body.clone()).await;
    assert_eq!(answer.text(), body);
}

#[tokio::test]
async fn bodies_that_have_been_arriving_for_long_make_room_for_others() {
    let host = start(&["--memory-budget", "64MiB", "--body-grace", "4s"]);
    let admin = host.admin();
    let body = "x".repeat(900 << 10);
    let _connections = open(&host, 100, &format!("{}{body}", head(1 << 20))).await;
    let client = host.http1();
    eventually("a body has room", async || {
        (client.post("/trouble/echo", body.clone()).await.status == 200).then_some(())
    })
    .await;
    // Not because their time was up.
    let slow = admin.metric("spindrift_refused_slow_bodies_total").await;
    assert_eq!(slow, 0.0);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_of_its_body() {
    let host = start(&["--body-grace", "30s"]);
    let admin = host.admin();
    let held = r#"spindrift_memory_held_bytes{purpose="bodies"}"#;
    let connections = open(
        &host,
        20,
        &format!("{}{}", head(1 << 20), "x".repeat(500_000)),
    )
    .await;
    eventually("the bodies are held", async || {
        (admin.metric(held).await >= 10_000_000.0).then_some(())
    })
    .await;
    drop(connections);
    eventually("nothing is held", async || {
        let arriving = admin.metric("spindrift_arriving_bodies").await;
        (admin.metric(held).await == 0.0 && arriving == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn bodies_in_the_smallest_pieces_take_what_is_charged() {
    let host = start(&["--body-grace", "30s", "--memory-budget", "256MiB"]);
    let admin = host.admin();
    let before = resident(&host);
    let chunked = "POST /trouble/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let pieces = "1\r\nx\r\n".repeat(50_000);
    let connections = open(&host, 100, &format!("{chunked}{pieces}")).await;
    let held = r#"spindrift_memory_held_bytes{purpose="bodies"}"#;
    eventually("all of it is held", async || {
        (admin.metric(held).await >= 5_000_000.0).then_some(())
    })
    .await;
    let charged = admin.metric(held).await;
    assert!(charged <= 10_000_000.0, "{charged}");
    let grown = resident(&host).saturating_sub(before);
    // What the connections take, too.
    assert!(grown < 100 << 20, "{grown} bytes for {charged}");
    drop(connections);
}

/// The memory that the process has, in bytes.
fn resident(host: &Host) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("a process");
    let kibibytes = status.lines().find_map(|line| {
        let value = line.strip_prefix("VmRSS:")?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    });
    kibibytes.expect("a line with its size") << 10
}

#[tokio::test]
async fn an_early_answer_arrives_though_the_body_is_not_read() {
    let host = start(&[]);
    for client in host.clients() {
        for (path, status) in [("/none", 404), ("/.well-known/spin/health", 405)] {
            for _ in 0..5 {
                let answer = client.post(path, "x".repeat(5_000_000)).await;
                assert_eq!(answer.status, status, "{path}: {answer:?}");
            }
        }
        detail(&client.post("/none", "x".repeat(5_000_000)).await, 404);
    }
}
