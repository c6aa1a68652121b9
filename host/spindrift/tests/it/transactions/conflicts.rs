//! A request whose reads no longer hold is run again.

use serde_json::json;

use super::{set, value};
use crate::harness::{App, STORE, eventually, within};

/// A request that has read `count` and waits for so long, in milliseconds, until it writes.
const SLOW: &str = "/kv3/increment?key=count&wait=1000";

#[tokio::test]
async fn a_conflict_runs_the_request_again() {
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--log-level", "info,spindrift_gateway=debug"]);
    let (slow, client) = (host.http1(), host.http1());
    set(&client, "count", "1").await;
    // What the slow request has read changes again and again, until it has noticed once.
    let (answer, writes) = {
        let mut request = std::pin::pin!(slow.get(SLOW));
        let mut writes = 0;
        loop {
            let count = (100 * (writes + 1)).to_string();
            tokio::select! {
                answer = &mut request => break (answer, writes),
                () = set(&client, "count", &count) => writes += 1,
            }
            if host.log().iter().any(|line| line.contains("conflict")) {
                break (within("the last run", request).await, writes);
            }
        }
    };
    assert!(writes > 0);
    // It answers with what it read last, which is what it wrote, and not with what its first run read.
    let expected = (100 * writes + 1).to_string();
    assert_eq!(
        answer.expect(200),
        json!({"ok": expected.parse::<u64>().expect("a number")})
    );
    assert_eq!(value(&client, "count").await, expected);
    host.logged(&["conflict", "kv3"]);
}

#[tokio::test]
async fn a_request_that_is_run_again_has_its_body_again() {
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--log-level", "info,spindrift_gateway=debug"]);
    // Each lists the keys and adds one, so that any two at the same time are in each other's way.
    let workers = (0..6).map(|worker| {
        let (client, host) = (host.http1(), &host);
        async move {
            let mut number = 0;
            eventually("a conflict", async || {
                number += 1;
                let value = format!("{worker}-{number}");
                let path = format!("/kv3/write-then-read?key={value}");
                let answer = client.post(&path, value.clone()).await;
                if answer.status != 503 {
                    assert_eq!(answer.expect(200), json!({"ok": [value, true, true]}));
                }
                host.log()
                    .iter()
                    .any(|line| line.contains("conflict"))
                    .then_some(())
            })
            .await;
        }
    });
    futures::future::join_all(workers).await;
}

#[tokio::test]
async fn a_request_that_only_writes_has_no_conflicts() {
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--log-level", "info,spindrift_gateway=debug"]);
    let writers = (0..4).map(|number| {
        let client = host.http1();
        async move {
            for _ in 0..20 {
                client
                    .post("/kv3/set-two?a=a&b=b&wait=1", number.to_string())
                    .await
                    .expect(200);
            }
        }
    });
    within("all writes", futures::future::join_all(writers)).await;
    assert!(host.log().iter().all(|line| !line.contains("conflict")));
}

/// A server that notes each request to it and holds its answer until the test says.
struct Held {
    port: u16,
    requests: tokio::sync::mpsc::Receiver<tokio::net::TcpStream>,
}

impl Held {
    async fn start() -> Self {
        use tokio::io::AsyncReadExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, requests) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(1..) = stream.read_buf(&mut head).await else {
                        break;
                    };
                }
                if sender.send(stream).await.is_err() {
                    return;
                }
            }
        });
        Held { port, requests }
    }

    async fn answer(mut stream: tokio::net::TcpStream) {
        use tokio::io::AsyncWriteExt;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nfetched";
        stream
            .write_all(answer)
            .await
            .expect("the guest's request is still open");
    }
}

#[tokio::test]
async fn a_request_that_has_sent_another_is_not_run_again() {
    let mut held = Held::start().await;
    let url = format!("http://127.0.0.1:{}", held.port);
    let settings = format!("{STORE}\nallowed_outbound_hosts = [{url:?}]");
    let host = App::new()
        .guest("kv3", STORE)
        .guest("outbound3", &settings)
        .start(&[]);
    let client = host.http1();

    // Nobody is in its way.
    let path = format!("/outbound3/get-fetch-set?key=k&url={url}/");
    let request = tokio::spawn({
        let (client, path) = (host.http1(), path.clone());
        async move { client.get(&path).await }
    });
    let fetch = within("the guest's request", held.requests.recv())
        .await
        .expect("a request");
    Held::answer(fetch).await;
    within("the answer", request)
        .await
        .expect("no panic")
        .expect(200);
    let written = value(&client, "k").await;
    assert_ne!(written, json!(null));

    // Between its read and its write, another request writes.
    let request = tokio::spawn({
        let (client, path) = (host.http1(), path.clone());
        async move { client.get(&path).await }
    });
    let fetch = within("the guest's request", held.requests.recv())
        .await
        .expect("a request");
    set(&client, "k", "of another").await;
    Held::answer(fetch).await;
    let answer = within("the answer", request).await.expect("no panic");
    let detail = answer.expect(409)["detail"].to_string();
    assert!(
        detail.contains("nothing was written") && detail.contains("outgoing request"),
        "{detail}"
    );
    assert_eq!(value(&client, "k").await, "of another");
    assert!(
        held.requests.try_recv().is_err(),
        "it sent its request twice"
    );
}

#[tokio::test]
async fn requests_that_meet_only_conflicts_are_told_to_come_back() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    set(&client, "count", "0").await;
    // Every run takes long enough for somebody else to write; so many runs end in a 503 for at least one.
    let stop = std::cell::Cell::new(false);
    let writer = async {
        while !stop.get() {
            set(&client, "count", "0").await;
        }
    };
    let slow = host.http1();
    let reader = async {
        let answer = eventually("a request that is given up", async || {
            let answer = slow.get("/kv3/increment?key=count&wait=50").await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        stop.set(true);
        answer
    };
    let ((), answer) = futures::future::join(writer, reader).await;
    let json = answer.expect(503);
    assert!(
        json["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("nothing was written")),
        "{json}"
    );
    assert_eq!(answer.header("retry-after"), "1");
}
