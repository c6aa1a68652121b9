//! Addresses and ports.

use std::net::TcpListener;

use super::assert_refused;
use crate::harness::{App, HostCommand};

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
