//! What is printed when the host serves, which is what `spin up` prints.

use std::fs::File;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::Termios;
use serde_json::json;

use crate::harness::{App, Host, Output, PATIENCE};

fn app() -> App {
    App::new()
        .component("second", "/second/:name", "guest_trouble.wasm", "description = \"The second one\"")
        .component("first", "/first/...", "guest_trouble.wasm", "")
        .text("[[trigger.http]]\nid = \"fixed\"\nroute = \"/fixed\"\nstatic_response = { body = \"x\" }\n")
}

#[tokio::test]
async fn routes_are_printed_as_spin_up_prints_them() {
    let host = app().start(&[]);
    // The route of lowest precedence comes last.
    host.wait_until_printed("(wildcard)");
    let base = host.base();
    let printed = host.printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[..2],
        [format!("Serving {base}"), "Available Routes:".into()]
    );
    let mut routes = lines[2..].to_vec();
    // A description stands under its route.
    let described = routes
        .iter()
        .position(|line| line.contains("second: "))
        .expect("the second route");
    assert_eq!(routes.remove(described + 1), "    The second one");
    routes.sort_unstable();
    assert_eq!(
        routes,
        [
            format!("  first: {base}/first (wildcard)"),
            format!("  fixed: {base}/fixed"),
            format!("  second: {base}/second/:name"),
        ]
    );
}

/// What reads anything else than a terminal gets what `spin up` prints, and no line more.
#[tokio::test]
async fn a_terminal_is_told_last_what_to_try() {
    let terminal = openpty(None::<&Winsize>, None::<&Termios>).expect("a terminal");
    let host = app().command().stdout(terminal.slave).start_listening();
    let printed = Output::collect(File::from(terminal.master));
    let url = printed.wait_for_line(PATIENCE, |line| {
        line.strip_prefix("  curl -i ").map(str::to_owned)
    });
    let base = host.base();
    let url = url.expect("a line to try");
    let lines = printed.lines();
    let end = &lines[lines.len() - 3..];
    assert_eq!(end[..2], ["".to_owned(), format!("Ready at {base}. Try:")]);
    assert_eq!(lines[0], format!("Serving {base}"));
    let path = url.strip_prefix(&base).expect("a path");
    let answer = host.http1().get(path).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "x".into()));
}

#[tokio::test]
async fn routes_can_be_printed_as_json() {
    let host = app().start(&["--format", "json"]);
    let printed: serde_json::Value =
        serde_json::from_str(&host.printed()).expect("one JSON object");
    let base = host.base();
    assert_eq!(printed["base_url"], base);
    let routes = printed["routes"].as_array().expect("routes");
    let first = json!({"id": "first", "route": "/first/...", "url": format!("{base}/first"), "wildcard": true});
    assert!(routes.contains(&first), "{printed}");
    assert_eq!(routes.len(), 3);
}

#[tokio::test]
async fn the_projects_own_routes_are_printed() {
    let host = Host::start(&[]);
    let base = host.base();
    for route in [
        "put: {}/put",
        "get: {}/get/:key",
        "delete: {}/delete/:key",
        "docs: {}/docs (wildcard)",
        "docs: {}/openapi.json",
    ] {
        host.wait_until_printed(&format!("  {}", route.replace("{}", &base)));
    }
}
