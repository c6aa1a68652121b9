//! The log on standard error.

use serde_json::Value;

use crate::harness::{App, Host, STORE};

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
        host.signal(nix::sys::signal::Signal::SIGTERM);
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
