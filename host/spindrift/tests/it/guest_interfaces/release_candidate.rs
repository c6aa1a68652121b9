//! Components on the release candidate of WASI 0.3 that Spin 4.0 has, as its SDKs make them: they run like those on the final
//! version.

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::guest_interfaces::origin::Origin;
use crate::harness::{App, STORE};

const GUEST: &str = "candidate03";

#[tokio::test]
async fn a_component_of_the_release_candidate_serves_reads_writes_and_calls_out() {
    let origin = Origin::start().await;
    let settings = format!(
        "{STORE}\nallowed_outbound_hosts = [\"http://{}\"]\nvariables = {{ greeting = \"hello\" }}",
        origin.authority()
    );
    let guests = Guests::start(App::new().guest(GUEST, &settings));
    let operation = |name: &str| format!("{GUEST}/{name}");
    guests
        .ok(&operation("set"), &[("key", "k"), ("value", "v")])
        .await;
    assert_eq!(guests.ok(&operation("get"), &[("key", "k")]).await, "v");
    assert_eq!(
        guests
            .ok(&operation("variable"), &[("name", "greeting")])
            .await,
        "hello"
    );
    let url = origin.url("there");
    assert_eq!(
        guests.ok(&operation("fetch"), &[("url", &url)]).await,
        "origin /there"
    );
    let elsewhere = [("url", "http://127.0.0.2:1/")];
    assert_eq!(
        guests.error(&operation("fetch"), &elsewhere).await,
        "http-request-denied"
    );
    let body = "x".repeat(50_000);
    let echoed = guests
        .ok_with_body(&operation("echo"), &[], body.clone())
        .await;
    assert_eq!(echoed, json!(body));
    assert_eq!(
        guests
            .error(&operation("open"), &[("store", "other")])
            .await,
        "Error::AccessDenied"
    );
    // What it imports is offered, under the names of the final version.
    let log = guests.host.log();
    assert!(
        !log.iter().any(|line| line.contains("does not offer")),
        "{log:?}"
    );
}
