//! More requests and connections than are allowed at a time.

use futures::future::join_all;

use super::detail;
use crate::harness::{App, Client, RawConnection, STORE, eventually};

#[tokio::test]
async fn one_request_too_many_is_a_503() {
    let host = App::new().guest("trouble", "").start(&[
        "--max-concurrent-requests",
        "2",
        "--request-timeout",
        "3s",
    ]);
    for client in host.clients() {
        let slow = join_all((0..2).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get_patiently("/trouble/stall").await })
        }));
        let refused = eventually("a 503", async || {
            let answer = client.get("/trouble/count").await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert!(detail(&refused, 503).contains('2'), "{refused:?}");
        // The host's own answers need no room.
        assert_eq!(client.get("/.well-known/spin/health").await.status, 200);
        for probe in ["live", "ready"] {
            let answer = client.get(&format!("/.well-known/spindrift/{probe}")).await;
            assert_eq!(answer.text(), "ok\n");
        }
        assert_eq!(client.get("/none").await.status, 404);
        for answer in slow.await {
            detail(&answer.expect("no panic"), 504);
        }
        client.get("/trouble/count").await.expect(200);
    }
}

#[tokio::test]
async fn a_response_that_is_still_written_counts_as_a_request() {
    let host = App::new().guest("trouble", "").start(&[
        "--max-concurrent-requests",
        "1",
        "--request-timeout",
        "3s",
    ]);
    let client = host.http1();
    let streaming = client
        .open(http::Method::GET, "/trouble/stall-after-head", &[], "")
        .await
        .expect("a head");
    assert_eq!(streaming.status(), 200);
    detail(&client.get("/trouble/count").await, 503);
    drop(streaming);
    eventually("room again", async || {
        (client.get("/trouble/count").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_connection_too_many_is_a_503() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-connections", "2"]);
    const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = host.connect().await;
    let mut second = host.connect().await;
    // They are served, so they count.
    for connection in [&mut first, &mut second] {
        connection.send(REQUEST).await;
        assert!(
            connection
                .read_response()
                .await
                .starts_with("HTTP/1.1 200 ")
        );
    }
    for round in 0..20 {
        // An idle one would make room.
        for connection in [&mut first, &mut second] {
            connection.send(REQUEST).await;
            connection.read_response().await;
        }
        let mut third = host.connect().await;
        if round % 2 == 0 {
            third.send(REQUEST).await;
        }
        let answer = third.read_to_end().await;
        assert!(
            answer.starts_with("HTTP/1.1 503 "),
            "round {round}: {answer:?}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
        assert!(
            head.to_ascii_lowercase().contains("retry-after: 1"),
            "{head}"
        );
        assert!(
            head.to_ascii_lowercase().contains("connection: close"),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{answer}"
        );
        let json: serde_json::Value = serde_json::from_str(body).expect("a JSON body");
        assert!(json["detail"].is_string(), "{json}");
    }
    host.logged(&["connection refused", "2"]);
    // A busy host is not a broken one: probes are answered, each on a connection of its own.
    for path in ["spindrift/live", "spindrift/ready", "spin/health"] {
        let mut probe = host.connect().await;
        let request = format!("GET /.well-known/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
        probe.send(request).await;
        let answer = probe.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer:?}");
    }
    // The others do not notice, and a place that becomes free is taken.
    first.send(REQUEST).await;
    assert!(first.read_response().await.starts_with("HTTP/1.1 200 "));
    drop(second);
    eventually("a free place", async || {
        let mut next = host.connect().await;
        next.send(REQUEST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
            .await;
        next.read_to_end()
            .await
            .starts_with("HTTP/1.1 200 ")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let host = App::new()
        .guest("trouble", "")
        .command()
        .args(&["--admin-listen", "127.0.0.1:0", "--max-connections", "20"])
        .start();
    let admin = host.admin();
    const REQUEST: &str = "GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = async |connection: &mut RawConnection| {
        connection.send(REQUEST).await;
        let answer = connection.read_response().await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    };
    let mut busy = host.connect().await;
    busy.send(REQUEST.replace("count", "slow?ms=10000")).await;
    let mut silent = Vec::new();
    for _ in 0..19 {
        silent.push(host.connect().await);
    }
    // Those that have asked for nothing make room, and then those that ask for nothing more.
    let mut idle = Vec::new();
    for _ in 0..25 {
        let next = eventually("an idle connection makes room", async || {
            let mut next = host.connect().await;
            answered(&mut next).await.map(|()| next)
        });
        idle.push(next.await);
    }
    assert!(admin.metric("spindrift_connections_made_room_total").await >= 25.0);
    assert!(admin.metric("spindrift_connections_open").await <= 20.0);
    let answer = busy.read_response().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_burst_is_answered_as_a_whole() {
    let host = App::new().guest("wasikv", STORE).start(&[
        "--max-concurrent-requests",
        "8",
        "--queue-timeout",
        "60s",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let admin = host.admin();
    for _ in 0..3 {
        // More than there are places, each on a connection of its own.
        let clients = (0..12).map(|_| host.http1());
        let burst = clients.map(async |client| client.get("/wasikv/take?wait=50").await);
        for answer in join_all(burst).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    assert_eq!(admin.metric("spindrift_refused_busy_total").await, 0.0);
    assert_eq!(admin.metric("spindrift_requests_waiting").await, 0.0);
}

#[tokio::test]
async fn many_streams_of_one_connection_do_not_keep_another_waiting() {
    let host = App::new().guest("trouble", "").start(&[
        "--max-concurrent-requests",
        "2",
        "--queue-timeout",
        "600s",
        "--request-timeout",
        "600s",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let admin = host.admin();
    let counts = async |name: &str, count: f64| {
        eventually(name, async || {
            (admin.metric(name).await == count).then_some(())
        })
        .await;
    };
    let ask = |client: &Client, path: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.get(path).await.status.as_u16() })
    };
    let crowd = host.http2();
    let mut stalled = Vec::new();
    for count in [1.0, 2.0] {
        stalled.push(ask(&crowd, "/trouble/stall"));
        counts("spindrift_requests_under_way", count).await;
    }
    stalled.push(ask(&crowd, "/trouble/stall"));
    counts("spindrift_requests_waiting", 1.0).await;
    // One connection has its share of those that wait.
    for _ in 0..5 {
        detail(&crowd.get("/trouble/count").await, 503);
    }
    let single = ask(&host.http1(), "/trouble/count");
    counts("spindrift_requests_waiting", 2.0).await;
    // The crowd's next one has come first, and takes the first place. The second is not for the crowd.
    stalled[0].abort();
    counts("spindrift_requests_waiting", 1.0).await;
    let next = ask(&crowd, "/trouble/stall");
    counts("spindrift_requests_waiting", 2.0).await;
    stalled[1].abort();
    assert_eq!(single.await.expect("no panic"), 200);
    for request in stalled.iter().chain([&next]) {
        request.abort();
    }
    counts("spindrift_requests_waiting", 0.0).await;
    counts("spindrift_requests_under_way", 0.0).await;
    host.http1().get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn without_a_queue_no_request_waits() {
    let host = App::new().guest("trouble", "").start(&[
        "--max-concurrent-requests",
        "1",
        "--queue-timeout",
        "0s",
        "--request-timeout",
        "600s",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let (client, admin) = (host.http1(), host.admin());
    let stalled = {
        let client = client.clone();
        tokio::spawn(async move { client.get("/trouble/stall").await })
    };
    eventually("it runs", async || {
        (admin.metric("spindrift_requests_under_way").await == 1.0).then_some(())
    })
    .await;
    detail(&client.get("/trouble/count").await, 503);
    stalled.abort();
    eventually("a place", async || {
        (client.get("/trouble/count").await.status == 200).then_some(())
    })
    .await;
}
