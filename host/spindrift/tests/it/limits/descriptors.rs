//! Connections beyond what may be open, and a process that has no file left to open.

use crate::harness::{App, Client, Host, RawConnection, eventually};

const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";

/// How many connections are told that they are refused at a time.
const MAX_REFUSALS: usize = 64;

/// Connections that send nothing. They are opened one after the other, so that all are there.
async fn crowd(host: &Host, count: usize) -> Vec<RawConnection> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(host.connect().await);
    }
    crowd
}

/// Has an answer on a connection of its own.
async fn probe(host: &Host) -> String {
    let mut connection = host.connect().await;
    let request =
        "GET /.well-known/spindrift/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    connection.send(request).await;
    connection.read_to_end().await
}

#[tokio::test]
async fn connections_beyond_the_limit_hold_no_files() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-connections", "20"]);
    let mut used = host.connect().await;
    used.send(REQUEST).await;
    assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
    let before = host.open_files();
    let mut most = 0;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.extend(crowd(&host, 40).await);
        most = most.max(host.open_files());
        // An idle one would make room.
        used.send(REQUEST).await;
        used.read_response().await;
        let answer = probe(&host).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    }
    // As many may be closing as may be refused.
    let allowed = before + 20 + 2 * MAX_REFUSALS + 2;
    assert!(most <= allowed, "{before} files were open, then {most}");
    used.send(REQUEST).await;
    assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn with_few_files_probes_and_operators_are_answered_beside_a_crowd() {
    let host = App::new()
        .guest("trouble", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .open_files(128)
        .start();
    host.logged(&[
        "WARN",
        "128 files",
        "--max-connections 10000",
        "64 connections",
        "ulimit -n",
    ]);
    let mut used = host.connect().await;
    used.send(REQUEST).await;
    assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
    let silent = crowd(&host, 300).await;
    let mut operators = Vec::new();
    for _ in 0..100 {
        operators.push(RawConnection::open(host.admin_address()).await);
    }
    for _ in 0..10 {
        let answer = probe(&host).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        let admin = Client::http1(format!("http://{}", host.admin_address()));
        for path in ["/live", "/metrics"] {
            assert_eq!(admin.get(path).await.status, 200);
        }
        used.send(REQUEST).await;
        assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
    }
    assert!(host.open_files() < 128, "{}", host.open_files());
    let log = host.log();
    assert!(
        log.iter().all(|line| !line.contains("accepted")),
        "{log:#?}"
    );
    drop(silent);
    eventually("room again", async || {
        let mut next = host.connect().await;
        next.send(REQUEST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
            .await;
        let answer = next.read_to_end().await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_process_that_can_open_no_file_says_so_once_and_goes_on_when_it_can() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--admin-listen", "127.0.0.1:0"]);
    let mut used = host.connect().await;
    used.send(REQUEST).await;
    assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
    host.allow_no_more_files();
    let mut waiting = host.connect().await;
    waiting.send(REQUEST).await;
    let mut operator = RawConnection::open(host.admin_address()).await;
    operator.send("GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    host.logged(&["WARN", "could not be accepted", "ulimit -n"]);
    // Meanwhile both ports try again and again.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    used.send(REQUEST).await;
    assert!(used.read_response().await.starts_with("HTTP/1.1 200 "));
    host.allow_files(1000);
    for connection in [&mut waiting, &mut operator] {
        assert!(
            connection
                .read_response()
                .await
                .starts_with("HTTP/1.1 200 ")
        );
    }
    let log = host.log();
    let lines = log
        .iter()
        .filter(|line| line.contains("could not be accepted"));
    assert_eq!(lines.count(), 1, "{log:#?}");
    host.logged(&["no more connections that could not be accepted"]);
}
