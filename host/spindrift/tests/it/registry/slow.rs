//! What is answered while a registry takes its time.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::server::Server;
use super::{app, push, up};
use crate::harness::eventually;

/// Passes connections on to a registry once it is told to, and keeps them waiting until then.
struct Gate {
    address: String,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn before(registry: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let open = watch::Sender::new(false);
        let (told, registry) = (open.clone(), registry.address().to_owned());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut told, registry) = (told.subscribe(), registry.clone());
                tokio::spawn(async move {
                    told.wait_for(|open| *open).await.expect("the test goes on");
                    let mut registry = TcpStream::connect(registry).await.expect("the registry");
                    // Either side may close it as it likes.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut registry).await;
                });
            }
        });
        Gate { address, open }
    }
}

// The gate works while the test waits for what the host prints.
#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_an_application_is_pulled() {
    let server = Server::start();
    push(&app(), &server, "app:v1");
    let gate = Gate::before(&server).await;
    let reference = format!("{}/app:v1", gate.address);
    let host = up(&reference).start_listening();
    for client in host.clients() {
        let live = client.get("/.well-known/spindrift/live").await;
        assert_eq!(live.status, 200);
        let waits = format!("the application {reference} is being pulled");
        let ready = eventually("it pulls", async || {
            let ready = client.get("/.well-known/spindrift/ready").await;
            assert_eq!(ready.status, 503);
            ready.text().contains("pulled").then_some(ready)
        })
        .await;
        assert_eq!(ready.text(), format!("starting: {waits}\n"));
        let answer = client.get("/gone").await;
        let detail = answer.expect(503)["detail"].take();
        assert!(
            detail
                .as_str()
                .is_some_and(|detail| detail.contains(&waits)),
            "{detail}"
        );
        assert_eq!(answer.header("retry-after"), "1");
    }
    gate.open.send_replace(true);
    host.wait_until_printed("Serving ");
    for client in host.clients() {
        assert_eq!(client.get("/gone").await.status, 410);
        assert_eq!(client.get("/.well-known/spindrift/ready").await.status, 200);
    }
}
