//! The log on standard error.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{App, Host, STORE, Starting};

fn start(args: &[&str]) -> Host {
    App::new().guest("trouble", STORE).start(args)
}

/// The log so far, every line parsed as JSON.
fn json_lines(host: &Host) -> Vec<Value> {
    host.log()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let host = start(&["--log-format", "json", "--log-level", "debug"]);
    let client = host.http1();
    let trap = client.get("/trouble/trap").await.expect(500);
    client
        .get("/trouble/print?text=a%22b%0Ac")
        .await
        .expect(200);
    client.get("/trouble/count").await.expect(200);
    host.logged(&["/trouble/count", "\"request\""]);
    let lines = json_lines(&host);
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
    }
    let failure = lines
        .iter()
        .find(|line| line["request_id"] == trap["request_id"])
        .expect("the failure's line");
    assert_eq!(failure["level"], "ERROR");
    assert_eq!(failure["path"], "/trouble/trap");
    assert_eq!(failure["status"], 500);
    let printed = lines
        .iter()
        .find(|line| line["message"] == "stdout: a\"b")
        .expect("what the guest printed");
    assert_eq!(
        (&printed["component"], &printed["stream"]),
        (&"trouble".into(), &"stdout".into())
    );
}

#[tokio::test]
async fn what_a_guest_prints_is_logged_line_by_line_with_its_component() {
    let host = start(&[]);
    host.http1()
        .get("/trouble/print?text=hello")
        .await
        .expect(200);
    for (line, stream) in [("stdout: hello", "stdout"), ("stderr: hello", "stderr")] {
        let logged = host.logged(&[line]);
        assert!(logged.contains("component=\"trouble\""), "{logged}");
        assert!(logged.contains(&format!("stream=\"{stream}\"")), "{logged}");
    }
}

#[tokio::test]
async fn the_panic_of_a_guest_is_in_the_log() {
    let host = start(&[]);
    host.http1().get("/trouble/trap").await.expect(500);
    host.logged(&["a trap, as the request asked", "component=\"trouble\""]);
}

#[tokio::test]
async fn quiet_leaves_out_what_guests_print_and_nothing_else() {
    for flag in ["--quiet", "-q", "--sh"] {
        let mut host = start(&[flag]);
        let client = host.http1();
        client.get("/trouble/print?text=hello").await.expect(200);
        let answer = client.get("/trouble/trap").await.expect(500);
        host.logged(&[answer["request_id"].as_str().expect("a request id")]);
        host.signal(Signal::SIGTERM);
        host.wait();
        let log = host.log_to_end();
        assert!(log.iter().all(|line| !line.contains("hello")), "{log:?}");
        assert!(
            log.iter()
                .all(|line| !line.contains("as the request asked")),
            "{log:?}"
        );
    }
}

#[tokio::test]
async fn a_request_is_a_line_at_debug_and_none_at_info() {
    let host = start(&["--log-level", "debug"]);
    for client in host.clients() {
        client.get("/trouble/status?status=418").await.expect(418);
        let line = host.logged(&["/trouble/status"]);
        for part in ["DEBUG", "GET", "418"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
    let host = start(&[]);
    let client = host.http1();
    client.get("/trouble/status?status=418").await.expect(418);
    // By the time of this line, that one would be there.
    client.get("/trouble/print?text=later").await.expect(200);
    host.logged(&["stdout: later"]);
    assert!(
        host.log()
            .iter()
            .all(|line| !line.contains("/trouble/status"))
    );
}

#[tokio::test]
async fn standard_output_has_the_routes_and_no_log() {
    let host = start(&["--log-level", "debug"]);
    host.http1()
        .get("/trouble/print?text=hello")
        .await
        .expect(200);
    host.logged(&["hello"]);
    host.wait_until_printed("/trouble (wildcard)");
    let printed = host.printed();
    assert_eq!(printed.lines().count(), 3, "{printed}");
    assert!(!printed.contains("hello"), "{printed}");
}

#[tokio::test]
async fn the_environment_sets_the_log_too() {
    let command = App::new().guest("trouble", "").command();
    let host = command
        .env("SPINDRIFT_LOG_FORMAT", "json")
        .env("RUST_LOG", "warn")
        .start();
    let client = host.http1();
    client.get("/trouble/print?text=hello").await.expect(200);
    let id = client.get("/trouble/trap").await.expect(500)["request_id"].to_string();
    host.logged(&[&id]);
    let lines = json_lines(&host);
    assert!(
        lines
            .iter()
            .all(|line| line["level"] == "ERROR" || line["level"] == "WARN"),
        "{lines:?}"
    );
}

/// Asks `count` times for `path`, many at a time, and gives the ids of the failures.
async fn fail(host: &Host, path: &str, count: usize, status: u16) -> BTreeSet<String> {
    const AT_A_TIME: usize = 20;
    let client = host.http1();
    let clients = (0..AT_A_TIME).map(|_| {
        let client = client.clone();
        async move {
            let mut ids = Vec::new();
            for _ in 0..count / AT_A_TIME {
                let id = client.get(path).await.expect(status)["request_id"].take();
                ids.push(id.as_str().expect("a request id").to_owned());
            }
            ids
        }
    });
    let ids = join_all(clients).await.into_iter().flatten();
    let ids: BTreeSet<String> = ids.collect();
    assert_eq!(ids.len(), count);
    ids
}

/// The lines that warn of something.
fn warnings(host: &Host) -> Vec<String> {
    let log = host.log();
    let warnings = log
        .iter()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"));
    warnings.cloned().collect()
}

/// A host of a node that finds no cluster, where each write fails at once.
fn without_a_leader(args: &[&str]) -> Host {
    let app = App::new().guest("kv3", STORE);
    let nowhere = [
        "--replicated",
        "--join",
        "127.0.0.1:9",
        "--peer-listen",
        "127.0.0.1:0",
        "--leader-wait",
        "0s",
    ];
    app.command().args(&nowhere).args(args).start()
}

#[tokio::test]
async fn five_thousand_failures_are_a_line_in_full_and_lines_that_count() {
    const COUNT: usize = 5000;
    let host = without_a_leader(&[]);
    let ids = fail(&host, "/kv3/set?key=k&value=v", COUNT, 503).await;
    let end = host.logged(&[
        "no more requests that the store did not serve",
        &COUNT.to_string(),
    ]);
    assert!(end.contains("WARN"), "{end}");
    let lines = warnings(&host);
    let about: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("did not serve") || line.contains("request_id"))
        .collect();
    // One more for every ten seconds, on a machine that is busy with something else.
    assert!((2..=8).contains(&about.len()), "{about:#?}");
    assert!(about[0].contains("/kv3/set") && about[0].contains("nothing was written"));
    assert!(ids.iter().any(|id| about[0].contains(id)), "{}", about[0]);
    for line in &about[1..] {
        assert!(line.contains("count=") && line.contains("total="), "{line}");
    }
}

#[tokio::test]
async fn at_debug_every_failure_has_its_line() {
    let host = without_a_leader(&["--log-level", "info,spindrift_gateway=debug"]);
    for id in fail(&host, "/kv3/set?key=k&value=v", 40, 503).await {
        host.logged(&[&id, "nothing was written", "/kv3/set"]);
    }
}

#[tokio::test]
async fn what_was_not_told_yet_is_told_when_the_process_ends() {
    let mut host = without_a_leader(&[]);
    fail(&host, "/kv3/set?key=k&value=v", 20, 503).await;
    host.signal(Signal::SIGTERM);
    host.wait();
    let log = host.log_to_end();
    assert!(
        log.iter()
            .any(|line| line.contains("no more") && line.contains("total=20")),
        "{log:#?}"
    );
}

#[tokio::test]
async fn each_component_and_each_way_to_fail_is_told_by_itself() {
    let app = App::new().guest("trouble", STORE).guest("trouble2", "");
    let host = app.start(&["--log-format", "json", "--request-timeout", "1s"]);
    fail(&host, "/trouble/trap", 40, 500).await;
    fail(&host, "/trouble2/trap", 40, 500).await;
    fail(&host, "/trouble/error", 40, 500).await;
    fail(&host, "/trouble/stall", 20, 504).await;
    for kind in ["component trapped", "gave no answer", "took too long"] {
        host.logged(&["no more", kind]);
    }
    let lines = json_lines(&host);
    let full: Vec<(&str, &str)> = lines
        .iter()
        .filter(|line| line["level"] == "ERROR" && line["request_id"].is_string())
        .map(|line| {
            let part = |name: &str| line[name].as_str().unwrap_or_default();
            (part("component"), part("path"))
        })
        .collect();
    assert_eq!(
        full,
        [
            ("trouble", "/trouble/trap"),
            ("trouble2", "/trouble2/trap"),
            ("trouble", "/trouble/error"),
            ("trouble", "/trouble/stall"),
        ]
    );
    let counted = |component: &str, kind: &str| {
        lines.iter().any(|line| {
            let message = line["message"].as_str().unwrap_or_default();
            line["component"] == component && message.contains(kind) && line["total"] == 40
        })
    };
    assert!(counted("trouble", "the component trapped"));
    assert!(counted("trouble2", "the component trapped"));
    assert!(counted("trouble", "gave no answer"));
}

#[tokio::test]
async fn a_path_is_cut() {
    let app = App::new().guest("trouble", "");
    let args = ["--log-level", "info,spindrift=debug"];
    let starting = Starting::building(app, "trouble", &args).await;
    let path = format!("/{}", "x".repeat(60_000));
    for client in starting.host.clients() {
        client.get(&path).await.expect(503);
    }
    starting
        .host
        .logged(&["WARN", "the host is starting", "/xxx", "(60001 bytes)"]);
    starting
        .host
        .logged(&["DEBUG", "GET", "/xxx", "(60001 bytes)"]);
    for line in starting.host.log() {
        assert!(line.len() < 2000, "{} bytes: {line}", line.len());
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_a_line_and_lines_that_count() {
    let host = App::new()
        .guest("trouble", "")
        .start(&["--max-connections", "1"]);
    let mut first = host.connect().await;
    first
        .send("GET /trouble/count HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert!(first.read_response().await.starts_with("HTTP/1.1 200 "));
    // More than the host keeps at a time. They say nothing, and each of them is told all the same.
    let others = (0..200).map(|_| async {
        let mut other = host.connect().await;
        let answer = other.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    });
    join_all(others).await;
    host.logged(&["no more connections beyond the limit", "200"]);
    let lines = warnings(&host);
    let refused = lines
        .iter()
        .filter(|line| line.contains("connection refused"));
    assert_eq!(refused.count(), 1, "{lines:#?}");
    assert!(lines.len() <= 8, "{lines:#?}");
}

#[tokio::test]
async fn bodies_that_do_not_arrive_are_a_line_and_a_count() {
    let host = start(&["--body-grace", "150ms"]);
    let slow = (0..10).map(|_| async {
        let mut connection = host.connect().await;
        connection
            .send("POST /trouble/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1")
            .await;
        let answer = connection.read_response().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    });
    join_all(slow).await;
    host.logged(&["no more requests whose body did not arrive in time", "10"]);
    let lines = warnings(&host);
    let full = lines.iter().filter(|line| line.contains("/trouble/echo"));
    assert_eq!(full.count(), 1, "{lines:#?}");
}

#[tokio::test]
async fn a_failure_that_stands_alone_is_one_line() {
    let host = start(&[]);
    let client = host.http1();
    client.get("/trouble/error").await.expect(500);
    // Its state has ended by then.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let second = client.get("/trouble/error").await.expect(500);
    host.logged(&[second["request_id"].as_str().expect("a request id")]);
    let lines = warnings(&host);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("request_id")));
}
