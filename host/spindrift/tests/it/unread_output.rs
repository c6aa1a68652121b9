//! A log and an announcement that nobody reads: no request, no probe and no shutdown waits for them, and a reader that comes
//! later is told what is missing.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{
    App, Client, Host, HostCommand, Output, PATIENCE, STORE, eventually, full_pipe,
};

/// Longer than a shutdown takes without requests under way, on a busy machine.
const SHUTDOWN: Duration = Duration::from_secs(15);

fn app() -> App {
    App::new()
        .guest("trouble", STORE)
        .component("other", "/other/...", "guest_trouble.wasm", "")
        .guest("kv3", STORE)
}

/// The command with a port for operators, and a client of that: its address is in the log, which nobody reads.
fn with_admin(command: HostCommand) -> (HostCommand, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let admin = Client::http1(format!("http://{address}"));
    (command.args(&["--admin-listen", &address]), admin)
}

/// Ends a host and checks that it takes no longer than usual. Clients go on meanwhile: they close their connections when they
/// are asked to.
async fn terminate(host: &mut Host) {
    let asked = Instant::now();
    host.signal(Signal::SIGTERM);
    let status = eventually("it ends", async || host.ended()).await;
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < SHUTDOWN, "it took {:?}", asked.elapsed());
}

/// A metric of a counter, by its name with labels.
async fn counted(admin: &Client, name: &str) -> u64 {
    let metrics = admin.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    value.trim().parse().expect("a number")
}

/// How many lines a log says were dropped by the host.
fn told(lines: &[String]) -> u64 {
    let counts = lines.iter().filter_map(|line| {
        let (before, _) = line.split_once(" dropped: standard error")?;
        let (count, _) = before.rsplit_once(' ')?;
        let digits = count.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok()
    });
    counts.sum()
}

/// What an innocent client does all the time, until `end`: writes, reads, and probes. Gives the longest time for a request.
async fn innocent(client: Client, end: impl Future<Output = ()>) -> Duration {
    let mut longest = Duration::ZERO;
    let mut number = 0;
    let work = async {
        loop {
            number += 1;
            let key = format!("key{number}");
            let (set, get) = (
                format!("/kv3/set?key={key}&value=v"),
                format!("/kv3/get?key={key}"),
            );
            for (path, expected) in [(&*set, json!({"ok": true})), (&*get, json!({"ok": "v"}))] {
                let asked = Instant::now();
                assert_eq!(client.get(path).await.expect_for(200, path), expected);
                longest = longest.max(asked.elapsed());
            }
            let live = client.get("/.well-known/spindrift/live").await;
            assert_eq!(live.status, 200);
        }
    };
    tokio::select! {
        () = work => unreachable!("it never ends"),
        () = end => {}
    }
    longest
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_request_no_probe_and_no_shutdown() {
    const PANICS: usize = 300;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (command, admin) = with_admin(app().command().stderr(writer));
    let mut host = command.start();
    let noisy = host.http1();
    let panics = async {
        // Each has several lines: more than the 64 KiB that a pipe holds.
        let panics = (0..10).map(|_| async {
            for _ in 0..PANICS / 10 {
                noisy.get("/trouble/trap").await.expect(500);
            }
        });
        join_all(panics).await;
    };
    let longest = innocent(host.http2(), panics).await;
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    for client in host.clients() {
        client.get("/trouble/trap").await.expect(500);
        let live = client.get("/.well-known/spindrift/live").await;
        assert_eq!(live.status, 200);
    }
    assert_eq!(admin.get("/live").await.status, 200);
    assert_eq!(admin.get("/ready").await.status, 200);
    terminate(&mut host).await;
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_comes_back_is_told_how_many_lines_are_missing_and_reads_on() {
    for format in ["text", "json"] {
        let (writer, reader) = full_pipe();
        let args = ["--log-format", format, "--log-buffer", "100"];
        let (command, admin) = with_admin(app().command().args(&args).stderr(writer));
        let mut host = command.start();
        let client = host.http1();
        client
            .get("/trouble/print-lines?count=500")
            .await
            .expect(200);
        let dropped = counted(&admin, "spindrift_log_lines_dropped_total").await;
        assert!((400..=500).contains(&dropped), "{dropped}");
        let log = Output::collect(reader);
        let wait_for =
            |part: &str| log.wait_for_line(PATIENCE, |line| line.contains(part).then_some(()));
        wait_for(&format!("{dropped} lines dropped")).expect("a line about them");
        client.get("/trouble/print?text=later").await.expect(200);
        wait_for("stdout: later").expect("the log goes on");
        let now = counted(&admin, "spindrift_log_lines_dropped_total").await;
        assert_eq!(now, dropped, "nothing else is missing");
        terminate(&mut host).await;
        let lines = log.wait_for_end(PATIENCE);
        assert_eq!(told(&lines), dropped, "{lines:#?}");
        // In their places: those that were kept, how many are missing, those that came later, and the last.
        let place = |part: &str| {
            let place = lines.iter().position(|line| line.contains(part));
            place.unwrap_or_else(|| panic!("no {part:?} in {lines:#?}"))
        };
        let places = [
            place("there before"),
            place("line 1"),
            place("lines dropped"),
            place("stdout: later"),
            place("SIGTERM"),
        ];
        assert!(places.is_sorted(), "{places:?} in {lines:#?}");
        if format == "json" {
            for line in lines.iter().filter(|line| line.contains("timestamp")) {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert!(
                    line["level"].is_string() && line["message"].is_string(),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_process_whose_log_is_full_from_the_start_serves_and_ends() {
    let (writer, _reader) = full_pipe();
    let mut host = app().command().stderr(writer).start();
    host.http1().get("/kv3/get?key=k").await.expect(200);
    terminate(&mut host).await;
}

#[tokio::test]
async fn a_second_signal_ends_a_process_though_nobody_reads_its_log() {
    let (writer, _reader) = full_pipe();
    let command = app().command().args(&["--max-concurrent-requests", "1"]);
    let mut host = command.stderr(writer).start();
    let (stalled, client) = (host.http1(), host.http1());
    let stalled = tokio::spawn(async move {
        stalled.get_patiently("/trouble/stall").await;
    });
    // There is no room beside it once it is under way.
    eventually("the request is under way", async || {
        (client.get("/kv3/get?key=k").await.status == 503).then_some(())
    })
    .await;
    let status = eventually("it ends", async || {
        host.signal(Signal::SIGTERM);
        host.ended()
    })
    .await;
    assert_eq!(status.code(), Some(128 + 15));
    stalled.abort();
}

#[tokio::test]
async fn a_start_that_fails_ends_whatever_becomes_of_its_log() {
    let refused = || {
        App::new()
            .command()
            .args(&["--log-level", "debug", "--component-id", "none"])
    };
    let mut failed = refused().spawn();
    assert_eq!(failed.wait().code(), Some(1));
    let log = failed.log_to_end();
    let last = log.last().expect("an error");
    assert!(last.starts_with("Error: "), "{log:#?}");

    let (full, _reader) = full_pipe();
    let (writer, reader) = std::io::pipe().expect("a pipe");
    drop(reader);
    let disk_full = File::options().write(true).open("/dev/full");
    let disk_full = disk_full.expect("a disk that is full");
    let outputs: [Stdio; 3] = [full.into(), writer.into(), disk_full.into()];
    for stderr in outputs {
        let mut failed = refused().stderr(stderr).spawn();
        let started = Instant::now();
        assert_eq!(failed.wait().code(), Some(1));
        assert!(started.elapsed() < SHUTDOWN, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_to_stops_nothing() {
    let (writer, reader) = std::io::pipe().expect("a pipe");
    drop(reader);
    let disk_full = File::options().write(true).open("/dev/full");
    let disk_full = disk_full.expect("a disk that is full");
    let outputs: [Stdio; 2] = [writer.into(), disk_full.into()];
    for stderr in outputs {
        let (command, admin) = with_admin(app().command().stderr(stderr));
        let mut host = command.start();
        let client = host.http1();
        for _ in 0..20 {
            client.get("/trouble/trap").await.expect(500);
        }
        client.get("/kv3/get?key=k").await.expect(200);
        eventually("the lines are counted", async || {
            let dropped = counted(&admin, "spindrift_log_lines_dropped_total").await;
            (dropped >= 20).then_some(())
        })
        .await;
        terminate(&mut host).await;
    }
}

#[tokio::test]
async fn a_log_that_does_not_wait_itself_is_waited_for() {
    let (writer, reader) = full_pipe();
    let writer = tokio::net::unix::pipe::Sender::from_owned_fd(writer).expect("a pipe");
    let writer = writer.into_nonblocking_fd().expect("a pipe");
    let mut host = app().command().stderr(writer).start();
    let client = host.http1();
    client.get("/trouble/print?text=early").await.expect(200);
    let log = Output::collect(reader);
    log.wait_for_line(PATIENCE, |line| {
        line.contains("stdout: early").then_some(())
    })
    .expect("the line");
    terminate(&mut host).await;
    let lines = log.wait_for_end(PATIENCE);
    assert!(
        lines.iter().any(|line| line.contains("SIGTERM")),
        "{lines:#?}"
    );
    assert_eq!(told(&lines), 0, "{lines:#?}");
}

#[tokio::test]
async fn an_announcement_that_nobody_reads_stops_neither_the_start_nor_the_end() {
    for format in ["plain", "json"] {
        let (writer, reader) = full_pipe();
        let command = app().command().args(&["--format", format]);
        let mut host = command.stdout(writer).start_listening();
        let client = host.http1();
        client.get_patiently("/kv3/get?key=k").await.expect(200);
        host.logged(&["standard output is not read"]);
        if format == "plain" {
            // It is there for a reader that comes later.
            let printed = Output::collect(reader);
            printed
                .wait_for_line(PATIENCE, |line| line.starts_with("Serving ").then_some(()))
                .expect("the announcement");
        }
        terminate(&mut host).await;
    }
}

#[tokio::test]
async fn a_component_that_prints_without_end_leaves_the_log_to_others() {
    const LINES: u64 = 20_000;
    let (command, admin) = with_admin(app().command().args(&["--guest-log-rate", "50"]));
    let mut host = command.start();
    let client = host.http1();
    let printing = Instant::now();
    let path = format!("/trouble/print-lines?count={LINES}");
    client.get(&path).await.expect(200);
    let printing = printing.elapsed();
    let others = host.http2();
    others.get("/other/print?text=hello").await.expect(200);
    host.logged(&["component=\"other\"", "stdout: hello"]);
    let failure = others.get("/trouble/trap").await.expect(500);
    host.logged(&[
        failure["request_id"].as_str().expect("a request id"),
        "ERROR",
    ]);
    let begun = host.logged(&["WARN", "component=\"trouble\"", "--guest-log-rate"]);
    assert!(begun.contains("more than 50 lines a second"), "{begun}");
    let dropped = r#"spindrift_guest_log_lines_dropped_total{component="trouble"}"#;
    assert_eq!(
        counted(
            &admin,
            r#"spindrift_guest_log_lines_dropped_total{component="other"}"#
        )
        .await,
        0
    );
    let counted_lines = counted(&admin, dropped).await;
    // The state ends some seconds after the last of them.
    let told = format!("{counted_lines} lines dropped in");
    host.logged(&[&told, "component=\"trouble\""]);
    terminate(&mut host).await;
    let lines = host.log_to_end();
    let logged = lines.iter().filter(|line| line.contains(" guest: line "));
    let logged = logged.count() as u64;
    let most = 100 + 50 * (printing.as_secs() + 2);
    assert!((90..=most).contains(&logged), "{logged} in {printing:?}");
    // The panic of the trap printed some, too.
    assert!(
        counted_lines + logged >= LINES,
        "{counted_lines} and {logged}"
    );
}

#[tokio::test]
async fn the_hosts_own_lines_are_kept_when_components_fill_the_log() {
    let (writer, reader) = full_pipe();
    let args = ["--log-buffer", "200", "--guest-log-rate", "1000000"];
    let mut host = app().command().args(&args).stderr(writer).start();
    let client = host.http1();
    client
        .get("/trouble/print-lines?count=5000")
        .await
        .expect(200);
    let failure = client.get("/trouble/error").await.expect(500);
    let log = Output::collect(reader);
    let id = failure["request_id"].as_str().expect("a request id");
    log.wait_for_line(PATIENCE, |line| line.contains(id).then_some(()))
        .expect("the host's own line");
    terminate(&mut host).await;
}

#[tokio::test]
async fn a_node_leaves_though_nobody_reads_its_log() {
    let (writer, _reader) = full_pipe();
    let args = [
        "--replicated",
        "--bootstrap",
        "--peer-listen",
        "127.0.0.1:0",
    ];
    let mut host = app().command().args(&args).stderr(writer).start();
    let client = host.http1();
    client
        .get_patiently("/kv3/set?key=k&value=v")
        .await
        .expect(200);
    terminate(&mut host).await;
}
