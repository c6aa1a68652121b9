//! What a request sends out or takes in through something that its guest keeps from an earlier one is a side effect of this
//! request: it is not run again.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join;
use http::Method;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{set, value};
use crate::guest_interfaces::origin::Origin;
use crate::harness::{App, Host, STORE, eventually, within};

/// How each answer of a [`Sink`] begins.
const BEGUN: &str = "onetwotri";

/// A server that takes what comes, and begins an answer to each request that it never finishes.
struct Sink {
    authority: String,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let all = taken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, all.clone()));
            }
        });
        Sink {
            authority: address.to_string(),
            taken,
        }
    }

    /// How often `text` has come.
    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.taken.lock())
            .matches(text)
            .count()
    }
}

async fn take(mut stream: TcpStream, all: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = Vec::new();
    let mut answered = false;
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        if !answered && bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            answered = true;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let begun = format!("{head}{:x}\r\n{BEGUN}\r\n", BEGUN.len());
            let begun = stream.write_all(begun.as_bytes()).await;
            begun.expect("an open connection");
        }
        all.lock().append(&mut bytes);
    }
}

/// One thread, so that one instance of `outbound3` serves all of its requests.
fn start(authority: &str) -> Host {
    let allowed = format!("allowed_outbound_hosts = [\"*://{authority}\"]");
    App::new()
        .guest("kv3", STORE)
        .guest("outbound3", &format!("{STORE}\n{allowed}"))
        .start(&[
            "--workers",
            "1",
            "--log-level",
            "info,spindrift_gateway=debug",
        ])
}

/// Writes `text` to what is kept, in a request whose first run meets a conflict: its status.
async fn write_in_conflict(host: &Host, text: &str) -> u16 {
    let (slow, client) = (host.http1(), host.http1());
    let path = format!("/outbound3/write-kept?wait=200&text={text}");
    let conflicts = || {
        let of_guest = |line: &&String| line.contains("conflict") && line.contains("outbound3");
        host.log().iter().filter(of_guest).count()
    };
    let before = conflicts();
    let done = Cell::new(false);
    let request = async {
        let answer = slow.get(&path).await;
        done.set(true);
        answer.status.as_u16()
    };
    let writes = async {
        let mut number = 0;
        while conflicts() == before && !done.get() {
            number += 1;
            set(&client, "key", &number.to_string()).await;
        }
    };
    let (status, ()) = within("the answer", join(request, writes)).await;
    status
}

#[tokio::test]
async fn a_write_to_a_kept_connection_is_not_repeated() {
    let sink = Sink::start().await;
    for keep in ["request03", "request02", "socket03", "socket02"] {
        let host = start(&sink.authority);
        let client = host.http1();
        let path = format!("/outbound3/keep-{keep}?addr={}", sink.authority);
        let kept = client.get(&path).await.expect_for(200, keep);
        assert_eq!(kept["ok"], true, "{keep}: {kept}");

        let text = format!("alone-through-{keep}");
        let path = format!("/outbound3/write-kept?text={text}");
        let written = client.get(&path).await.expect_for(200, keep);
        assert_eq!(written["ok"], true, "{keep}: {written}");
        assert_eq!(value(&client, "key").await, text);

        let text = format!("in-conflict-through-{keep}");
        assert_eq!(write_in_conflict(&host, &text).await, 409, "{keep}");
        assert_ne!(value(&client, "key").await, text, "{keep}");
        eventually(format!("the text through {keep}"), async || {
            (sink.count(&text) > 0).then_some(())
        })
        .await;
        drop(host);
        assert_eq!(sink.count(&text), 1, "{keep}");
    }
}

/// What one run has read is gone for the next one.
#[tokio::test]
async fn a_read_of_the_kept_body_of_an_answer_is_not_repeated() {
    let sink = Sink::start().await;
    for keep in ["incoming03", "incoming02"] {
        let host = start(&sink.authority);
        let client = host.http1();
        let path = format!("/outbound3/keep-{keep}?addr={}", sink.authority);
        let kept = client.get(&path).await.expect_for(200, keep);
        assert_eq!(kept["ok"], true, "{keep}: {kept}");
        // Each of them reads a third of what there is.
        let read = async |text: &str| {
            let path = format!("/outbound3/write-kept?text={text}");
            let read = client.get(&path).await.expect_for(200, keep);
            assert_eq!(read["ok"], true, "{keep}: {read}");
            assert_eq!(value(&client, "key").await, text);
        };
        read("first").await;
        assert_eq!(write_in_conflict(&host, "second").await, 409, "{keep}");
        assert_ne!(value(&client, "key").await, "second", "{keep}");
        read("third").await;
    }
}

#[tokio::test]
async fn a_request_whose_instance_keeps_no_connection_is_run_again() {
    let origin = Origin::start().await;
    let host = start(&origin.authority());
    let client = host.http1();
    for round in 0..3 {
        let path = format!("/outbound3/fetch?url={}", origin.url("whole"));
        let fetched = client.get(&path).await.expect(200);
        assert_eq!(fetched["ok"]["status"], 200, "{fetched}");
        let text = format!("text-of-round-{round}");
        assert_eq!(write_in_conflict(&host, &text).await, 200);
        assert_eq!(value(&client, "key").await, text);
        let conflicts = || {
            host.log()
                .iter()
                .filter(|line| line.contains("conflict"))
                .count()
        };
        assert!(conflicts() > round, "round {round}: it met no conflict");
    }
}

#[tokio::test]
async fn a_write_to_the_kept_body_of_an_earlier_response_is_not_repeated() {
    let origin = Origin::start().await;
    let host = start(&origin.authority());
    let reader = host.http1();
    let path = format!("/outbound3/keep-response?url={}", origin.url("before"));
    let response = reader
        .open(Method::GET, &path, &[], "")
        .await
        .expect("a head");
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert_eq!(write_in_conflict(&host, "once").await, 409);
    let path = "/outbound3/write-kept?text=-and-end";
    host.http1().get(path).await.expect(200);
    let mut text = Vec::new();
    while !text.ends_with(b"-and-end") {
        let frame = within("a chunk", body.frame()).await.expect("a chunk");
        let data: Bytes = frame.expect("a chunk").into_data().expect("data");
        text.extend_from_slice(&data);
    }
    assert_eq!(String::from_utf8_lossy(&text), "once-and-end");
}
