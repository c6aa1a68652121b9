//! What bounds the requests that guests send: the time of the request that they are sent for, and the budget of memory.

use tokio::net::TcpListener;

use crate::guest_interfaces::guests::{Guests, target};
use crate::harness::{App, Client, eventually};

/// What is held for the resources of guests, in bytes.
const HELD: &str = r#"spindrift_memory_held_bytes{purpose="resources"}"#;

/// The URL of a server that takes connections, and reads nothing of what is sent on them.
async fn deaf() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("the port");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            held.push(connection);
        }
    });
    format!("http://{address}/")
}

/// Both guests, with these arguments for the host, and its operator.
fn start(args: &[&str]) -> (Guests, Client) {
    let settings = "allowed_outbound_hosts = [\"http://127.0.0.1:*\"]";
    let app = App::new()
        .guest("outbound3", settings)
        .guest("outbound2", settings);
    let guests = Guests::start_command(
        app.command()
            .args(&["--admin-listen", "127.0.0.1:0"])
            .args(args),
    );
    let admin = guests.host.admin();
    (guests, admin)
}

async fn nothing_is_held(admin: &Client) {
    eventually("what was held is free", async || {
        let under_way = admin.metric("spindrift_requests_under_way").await;
        (under_way == 0.0 && admin.metric(HELD).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_still_sends_a_body_ends_with_the_time_of_its_request() {
    let url = deaf().await;
    let (guests, admin) = start(&["--request-timeout", "1s"]);
    for guest in ["outbound3", "outbound2"] {
        let args = [("url", url.as_str()), ("bytes", "32000000")];
        let answer = guests.answer(&format!("{guest}/post"), &args, "").await;
        assert_eq!(answer.status, 504, "{guest}: {answer:?}");
        nothing_is_held(&admin).await;
    }
}

#[tokio::test]
async fn what_guests_send_is_on_the_budget_until_its_answer_is_read() {
    let url = deaf().await;
    let (guests, admin) = start(&["--memory-budget", "32MiB"]);
    let path = target("outbound3/fetch-at-once", &[("url", &url), ("times", "40")]);
    let client = guests.host.http1();
    let asking = tokio::spawn(async move { client.get(&path).await });
    eventually("40 exchanges are held", async || {
        (admin.metric(HELD).await >= f64::from(40 * (128 << 10))).then_some(())
    })
    .await;
    asking.abort();
    nothing_is_held(&admin).await;
    // More than there is room for: either the guest is told, or the guest itself gets no more memory.
    let args = [("url", url.as_str()), ("times", "400")];
    let answer = guests.answer("outbound3/fetch-at-once", &args, "").await;
    let told = answer.text();
    assert!(told.contains("--memory-budget"), "{told}");
    nothing_is_held(&admin).await;
}
