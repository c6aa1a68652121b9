//! Running only some of the components, and what they are told by flags.

use super::assert_refused;
use crate::harness::{App, HostCommand};

fn app() -> HostCommand {
    App::new()
        .guest("trouble", "")
        .guest("trouble2", "")
        .component("third", "/third/...", "guest_trouble.wasm", "")
        .command()
}

#[tokio::test]
async fn only_the_chosen_components_run() {
    for command in [
        app().args(&["-c", "trouble", "--component-id", "third"]),
        app().env("SPIN_COMPONENTS_TO_RETAIN", "trouble,third"),
    ] {
        let host = command.start();
        let client = host.http1();
        client.get("/trouble/count").await.expect(200);
        client.get("/third/count").await.expect(200);
        client.get("/trouble2/count").await.expect(404);
        assert!(!host.printed().contains("trouble2"), "{}", host.printed());
    }
}

#[tokio::test]
async fn a_chosen_component_that_is_not_there_is_named() {
    assert_refused(app().args(&["-c", "trouble", "-c", "fourth"]), &["fourth"]);
}

#[tokio::test]
async fn a_flag_sets_environment_variables_of_every_component() {
    let host = App::new()
        .guest(
            "env",
            "environment = { COLOUR = \"red\", SIZE = \"small\" }",
        )
        .start(&["--env", "COLOUR=blue", "-e", "EMPTY=", "-e", "WITH=a=b"]);
    let seen = host.http1().get("/env/env").await.expect(200)["ok"]["env"].take();
    for (name, value) in [
        ("COLOUR", "blue"),
        ("SIZE", "small"),
        ("EMPTY", ""),
        ("WITH", "a=b"),
    ] {
        assert_eq!(seen[name], value, "{seen}");
    }
    // Nothing of the host's own.
    assert!(seen["PATH"].is_null() && seen["HOME"].is_null(), "{seen}");
}
