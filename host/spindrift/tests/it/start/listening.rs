//! Addresses and ports.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use super::{assert_refused, refusal};
use crate::harness::{App, HostCommand};

/// For how long a port is held that is freed in time: less than the second for which the host waits, and longer than the host
/// takes to come to it.
const HELD: Duration = Duration::from_millis(500);

/// The flags that name a port.
const PORTS: [&str; 3] = ["--listen", "--admin-listen", "--peer-listen"];

/// A port that is taken, and a host that is told to listen there and on free ports beside.
fn told_a_taken_port(flag: &str) -> (TcpListener, String, HostCommand) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = app().args(&["--replicated", "--bootstrap"]);
    for port in PORTS {
        let at = if port == flag {
            &address
        } else {
            "127.0.0.1:0"
        };
        command = command.args(&[port, at]);
    }
    (taken, address, command)
}

/// A process is started again before the kernel has closed the ports of the one before it.
#[tokio::test]
async fn a_port_that_is_freed_within_a_second_is_waited_for() {
    for flag in PORTS {
        let (taken, _, command) = told_a_taken_port(flag);
        let predecessor = thread::spawn(move || {
            thread::sleep(HELD);
            drop(taken);
        });
        let host = command.start();
        host.http1().get("/trouble/count").await.expect(200);
        predecessor.join().expect("no panic");
    }
}

#[tokio::test]
async fn a_port_that_stays_taken_is_refused_in_words() {
    for flag in PORTS {
        let (_taken, address, command) = told_a_taken_port(flag);
        let words = "already in use, and was so for 1s";
        let refusal = refusal(command);
        for part in [&address, words, "stop"] {
            assert!(refusal.stderr.contains(part), "{refusal:?}");
        }
        assert_eq!(refusal.stderr.matches(words).count(), 1, "{refusal:?}");
    }
}

fn app() -> HostCommand {
    App::new().guest("trouble", "").command()
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    assert_refused(
        app().args(&["--listen", &address]),
        &[&address, "already in use", "--find-free-port"],
    );
}

#[tokio::test]
async fn the_next_free_port_is_found() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let host = app()
        .args(&["--listen", &format!("127.0.0.1:{port}"), "--find-free-port"])
        .start();
    assert!(
        host.address().port() > port,
        "{} after {port}",
        host.address()
    );
    host.http1().get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn the_environment_says_where_to_listen_unless_a_flag_does() {
    let host = app().env("SPIN_HTTP_LISTEN_ADDR", "[::1]:0").start();
    assert!(host.address().is_ipv6(), "{}", host.address());
    host.http1().get("/trouble/count").await.expect(200);
    let host = app()
        .env("SPIN_HTTP_LISTEN_ADDR", "[::1]:0")
        .args(&["--listen", "127.0.0.1:0"])
        .start();
    assert!(host.address().is_ipv4(), "{}", host.address());
    host.http1().get("/trouble/count").await.expect(200);
}

#[tokio::test]
async fn a_name_can_be_listened_on() {
    let host = app().args(&["--listen", "localhost:0"]).start();
    assert!(host.address().ip().is_loopback());
    host.http1().get("/trouble/count").await.expect(200);
}
