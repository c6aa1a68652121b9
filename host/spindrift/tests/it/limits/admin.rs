//! The admin port beside clients that only hold connections to it.

use futures::future::join_all;

use crate::harness::{App, Client, Host, RawConnection};

/// Connections that are opened beside the one that matters.
const CROWD: usize = 200;
/// How many of them may be open at a time.
const MAX_OPEN: usize = 64;

fn start() -> (Host, Client) {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--admin-listen", "127.0.0.1:0"]);
    let admin = Client::http1(format!("http://{}", host.admin_address()));
    (host, admin)
}

#[tokio::test]
async fn a_crowd_keeps_no_probe_out() {
    let (host, admin) = start();
    let before = host.open_files();
    for sent in ["", "GET /me", "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let crowd = join_all((0..CROWD).map(|_| async {
            let mut connection = RawConnection::open(host.admin_address()).await;
            connection.send(sent).await;
            connection
        }));
        let mut crowd = crowd.await;
        for path in ["/live", "/ready", "/metrics", "/status"] {
            // On a connection of its own, as a probe's is.
            let prober = Client::http1(format!("http://{}", host.admin_address()));
            assert_eq!(prober.get(path).await.status, 200, "{sent:?} {path}");
            assert_eq!(admin.get(path).await.status, 200, "{sent:?} {path}");
        }
        let open = host.open_files();
        assert!(
            open <= before + MAX_OPEN + 2,
            "{sent:?}: {before}, then {open}"
        );
        // The first of them had to make room.
        let first = crowd[0].read_to_end().await;
        assert!(sent.ends_with("\r\n\r\n") || first.is_empty(), "{first:?}");
    }
}

#[tokio::test]
async fn a_client_that_stalls_is_cut_off() {
    let (host, admin) = start();
    let open = async || RawConnection::open(host.admin_address()).await;
    let (mut head, mut silent, mut reader) = (open().await, open().await, open().await);
    head.send("GET /metrics HTTP/1.1\r\nhost: x\r\n").await;
    let request = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    tokio::join!(
        async { assert_eq!(head.read_to_end().await, "") },
        async { assert_eq!(silent.read_to_end().await, "") },
        reader.send_until_closed(request.as_bytes()),
    );
    assert_eq!(admin.get("/live").await.status, 200);
}

#[tokio::test]
async fn bodies_are_not_read_and_connections_are_counted() {
    let (host, admin) = start();
    let long = admin.post("/live", "x".repeat(100_000)).await;
    assert_eq!(long.status, 405);
    let mut connection = host.connect().await;
    connection
        .send("GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    connection.read_response().await;
    let metrics = admin.get("/metrics").await.text();
    for line in [
        "spindrift_connections_open 1",
        "spindrift_connections_limit 10000",
        "spindrift_connections_refused_total 0",
        "spindrift_connections_closed_idle_total 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}
