//! Connections that guests make by themselves, through the sockets of WASI 0.2 and 0.3: held to `allowed_outbound_hosts`
//! as requests are.

use serde_json::json;

use crate::guest_interfaces::guests::Guests;
use crate::guest_interfaces::origin::Origin;
use crate::harness::App;

/// Each operation that connects, and what it ends with where that is not allowed.
const CONNECTS: [(&str, &str); 3] = [
    ("outbound3/socket", "PermissionDenied"),
    ("outbound3/socket3", "access-denied"),
    ("outbound2/socket", "PermissionDenied"),
];

fn start(settings: &str) -> Guests {
    let app = ["outbound3", "outbound2"]
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, settings));
    Guests::start(app)
}

#[tokio::test]
async fn an_allowed_address_is_connected_to() {
    let origin = Origin::start().await;
    let port = origin.port();
    for entry in [
        format!("*://127.0.0.1:{port}"),
        format!("tcp://127.0.0.1:{port}"),
        "*://127.0.0.0/8:*".to_owned(),
        "*://*:*".to_owned(),
    ] {
        let guests = start(&format!("allowed_outbound_hosts = [{entry:?}]"));
        let before = origin.connections().await;
        for (operation, _) in CONNECTS {
            let connected = guests.ok(operation, &[("addr", &origin.authority())]).await;
            assert_eq!(connected, json!(true), "{operation} with {entry}");
        }
        let connected = origin.connections().await;
        assert_eq!(connected, before + CONNECTS.len(), "{entry}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_not_connected_to() {
    let (origin, other) = (Origin::start().await, Origin::start().await);
    for settings in [
        String::new(),
        "allowed_outbound_hosts = []".to_owned(),
        // Another port, another scheme, and a name, which says nothing of addresses.
        format!("allowed_outbound_hosts = [\"*://{}\"]", other.authority()),
        format!(
            "allowed_outbound_hosts = [\"http://{}\"]",
            origin.authority()
        ),
        format!(
            "allowed_outbound_hosts = [\"*://localhost:{}\"]",
            origin.port()
        ),
    ] {
        let guests = start(&settings);
        for (operation, denied) in CONNECTS {
            let error = guests
                .error(operation, &[("addr", &origin.authority())])
                .await;
            assert!(
                error.starts_with(denied),
                "{operation} with {settings}: {error}"
            );
        }
    }
    assert_eq!(origin.connections().await, 0);
}

#[tokio::test]
async fn a_name_is_looked_up_only_where_something_is_allowed() {
    let origin = Origin::start().await;
    let address = format!("localhost:{}", origin.port());
    // What the name stands for is checked when it is connected to.
    let entry = format!("allowed_outbound_hosts = [\"*://{}\"]", origin.authority());
    let (allowing, denying) = (start(&entry), start(""));
    for operation in ["outbound3/socket", "outbound2/socket"] {
        let connected = allowing.ok(operation, &[("addr", &address)]).await;
        assert_eq!(connected, json!(true), "{operation}");
        denying.error(operation, &[("addr", &address)]).await;
    }
    assert_eq!(origin.connections().await, 2);
}
