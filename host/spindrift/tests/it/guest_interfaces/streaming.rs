//! Bodies that guests of `wasi:http` 0.3 and 0.2 write after their response heads: they arrive as they are written, and one
//! that ends early is cut off, so that nobody takes it for whole.

use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, Client, STORE, eventually, within};

/// The guest of `wasi:http` 0.3, and that of 0.2.
const GUESTS: [&str; 2] = ["trouble", "trouble2"];

fn start(args: &[&str]) -> Guests {
    let app = App::new().guest("trouble", STORE).guest("trouble2", "");
    Guests::start_command(app.command().args(args))
}

async fn open(client: &Client, path: &str) -> Response<Incoming> {
    let opened = client.open(Method::GET, path, &[], "").await;
    opened.unwrap_or_else(|error| panic!("{:?} {path}: {error}", client.version()))
}

/// Reads until `end` has come, and answers with all of it.
async fn read_until(response: &mut Response<Incoming>, end: &str) -> String {
    let mut read = String::new();
    while !read.contains(end) {
        let frame = within(format!("{end:?} after {read:?}"), response.frame()).await;
        let frame = frame.unwrap_or_else(|| panic!("the body ended before {end:?}: {read:?}"));
        let data = frame
            .expect("a frame of the body")
            .into_data()
            .expect("data");
        read.push_str(&String::from_utf8_lossy(&data));
    }
    read
}

#[tokio::test]
async fn a_chunk_arrives_before_the_next_is_written() {
    let guests = start(&[]);
    for (guest, client) in guests.each(GUESTS) {
        // The last of these chunks would be written hours from now.
        let mut response = open(&client, &format!("/{guest}/trickle?chunks=1000000&ms=20")).await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("content-length"));
        let read = read_until(&mut response, "chunk 3\n").await;
        assert!(
            read.starts_with("chunk 1\nchunk 2\nchunk 3\n"),
            "{guest}: {read:?}"
        );
    }
}

#[tokio::test]
async fn a_streamed_body_comes_whole() {
    let guests = start(&[]);
    for (guest, client) in guests.each(GUESTS) {
        for pause in [0, 5] {
            let path = format!("/{guest}/trickle?chunks=100&ms={pause}");
            let answer = client.get(&path).await;
            let expected: String = (1..=100)
                .map(|number| format!("chunk {number}\n"))
                .collect();
            assert_eq!(
                answer.text(),
                expected,
                "{guest} {:?} {path}",
                client.version()
            );
        }
        let answer = client.get(&format!("/{guest}/trickle?chunks=0")).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
    }
}

#[tokio::test]
async fn a_body_of_any_size_comes_whole() {
    let guests = start(&[]);
    let (kib, mib) = (1 << 10, 1 << 20);
    for (guest, client) in guests.each(GUESTS) {
        for length in [
            0,
            1,
            64 * kib - 1,
            64 * kib,
            64 * kib + 1,
            256 * kib,
            256 * kib + 1,
            320 * kib,
            mib,
            8 * mib,
        ] {
            let answer = client.get(&format!("/{guest}/big?bytes={length}")).await;
            assert_eq!(answer.status, 200);
            let whole = answer.body.len() == length && answer.body.iter().all(|byte| *byte == b'a');
            assert!(
                whole,
                "{guest} {:?}: {} of {length} bytes",
                client.version(),
                answer.body.len()
            );
        }
    }
}

#[tokio::test]
async fn many_bodies_are_streamed_at_once() {
    let guests = start(&[]);
    for client in guests.host.clients() {
        let answers = (0..16).map(|number| {
            let path = match number % 2 {
                0 => "/trouble/big?bytes=1000000",
                _ => "/trouble/trickle?chunks=20&ms=10",
            };
            client.get(path)
        });
        for (number, answer) in futures::future::join_all(answers).await.iter().enumerate() {
            match number % 2 {
                0 => assert_eq!(answer.body.len(), 1_000_000, "{:?}", client.version()),
                _ => assert!(
                    answer.text().ends_with("chunk 20\n"),
                    "{:?}",
                    client.version()
                ),
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_cut_off() {
    let guests = start(&["--request-timeout", "1s"]);
    for (guest, client) in guests.each(GUESTS) {
        let path = format!("/{guest}/stall-after-head");
        let mut response = open(&client, &path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(read_until(&mut response, "some").await, "some");
        let end = within("the end of the body", response.frame()).await;
        assert!(
            matches!(end, Some(Err(_))),
            "{guest} {:?}: the body is not cut off: {end:?}",
            client.version()
        );
        let answer = client.get(&format!("/{guest}/count")).await;
        assert_eq!(answer.expect_for(200, "a fresh instance"), json!({"ok": 1}));
    }
}

#[tokio::test]
async fn a_loop_after_the_head_never_looks_like_a_whole_answer() {
    let guests = start(&["--request-timeout", "1s"]);
    for client in guests.host.clients() {
        // The guest does not let go of the thread after its head, so that may not be out when the time is over.
        let path = "/trouble/spin-after-head";
        let answer = client.try_send(Method::GET, path, &[], "").await;
        assert!(
            answer.as_ref().map_or(true, |answer| answer.status == 504),
            "{:?}: {answer:?}",
            client.version()
        );
        let answer = client.get("/trouble/count").await;
        assert_eq!(answer.expect_for(200, "a fresh instance"), json!({"ok": 1}));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let guests = start(&[
        "--max-concurrent-requests",
        "1",
        "--request-timeout",
        "3600s",
    ]);
    for (guest, watched) in guests.each(GUESTS) {
        let client = guests.host.http1();
        let mut response = open(&watched, &format!("/{guest}/trickle?chunks=1000000&ms=10")).await;
        read_until(&mut response, "chunk 1\n").await;
        client.get("/trouble/status").await.expect(503);
        drop(response);
        drop(watched);
        eventually("there is room for another request", || {
            let client = client.clone();
            async move {
                let answer = client.get("/trouble/status").await;
                (answer.status == 200).then_some(())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_guest_does_not_run_far_ahead_of_a_slow_client() {
    let guests = start(&[]);
    for client in guests.host.clients() {
        let mut response = open(&client, "/trouble/big?bytes=4000000000").await;
        let mut read = 0;
        while read < 64 << 20 {
            let frame = within("more of the body", response.frame()).await;
            let frame = frame.expect("more of the body").expect("a frame");
            read += frame.into_data().expect("data").len();
        }
        let peak = peak_memory(guests.host.pid());
        assert!(
            peak < 512 << 20,
            "{:?}: {peak} bytes of memory",
            client.version()
        );
    }
}

/// The most memory that a process has had, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
        .and_then(|kibibytes| kibibytes.parse::<u64>().ok());
    peak.expect("a line with the peak") << 10
}
