//! Passwords, TLS, and registries that are not there.

use std::net::TcpListener;
use std::path::Path;

use nix::sys::signal::Signal;

use super::docker::{self, no_credentials, up_as};
use super::http_server::certificate;
use super::server::{Server, USER};
use super::{app, assert_not_pushed, assert_refused, push, push_with, up};
use crate::harness::{HostCommand, command, within};

#[tokio::test]
async fn a_registry_with_passwords_lets_those_in_who_have_them() {
    let server = Server::with_password();
    let reference = server.reference("app:v1");
    let login = format!("docker login {}", server.address());

    let no_one = push_with(&app(), &["-k", &reference], &no_credentials());
    assert_not_pushed(&no_one, &[&reference, "has no credentials for it", &login]);
    let wrong = docker::with_password(server.address(), (USER.0, "wrong"));
    let wrong = push_with(&app(), &["-k", &reference], &wrong);
    assert_not_pushed(
        &wrong,
        &["does not let the user \"somebody\" push this", &login],
    );
    let right = docker::with_password(server.address(), USER);
    let right = push_with(&app(), &["-k", &reference], &right);
    assert!(right.status.success(), "{right:?}");

    assert_refused(
        up(&reference),
        &[&reference, "has no credentials for it", &login],
    );
    assert_refused(
        up_as(
            &reference,
            docker::with_password(server.address(), (USER.0, "wrong")),
        ),
        &["does not let the user \"somebody\" pull this", &login],
    );
    let host = up_as(&reference, docker::with_password(server.address(), USER)).start();
    host.http1().get("/env/list?path=/").await.expect(200);
    let said = host.log().join("\n");
    assert!(!said.contains(USER.1), "{said}");
}

#[tokio::test]
async fn a_credential_helper_is_asked() {
    let server = Server::with_password();
    let reference = server.reference("app:v1");
    let pushed = push_with(
        &app(),
        &["-k", &reference],
        &docker::with_helper(server.address(), USER),
    );
    assert!(pushed.status.success(), "{pushed:?}");
    up_as(&reference, docker::with_helper(server.address(), USER)).start();
}

#[tokio::test]
async fn a_docker_configuration_that_is_of_no_use_is_named() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    for (config, part) in [
        ("{", "it is not the JSON"),
        (
            &*format!(
                r#"{{"credHelpers": {{"{}": "no-such-helper"}}}}"#,
                server.address()
            ),
            "cannot be run",
        ),
    ] {
        let folder = docker::with(config);
        let file = folder.path().join("config.json");
        assert_refused(
            up_as(&reference, folder),
            &["the Docker configuration", &file.to_string_lossy(), part],
        );
    }
}

#[tokio::test]
async fn a_registry_with_tls_is_trusted_by_its_authority() {
    let certified = certificate();
    let server = Server::with_tls(&certified);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, certified.cert.pem()).expect("the authority");
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, certificate().cert.pem()).expect("another authority");
    let reference = server.reference("app:v1");
    let app = app();
    let push = |authority: &Path| {
        command("push")
            .args(["-f", &app.write().to_string_lossy(), &reference])
            .env("DOCKER_CONFIG", folder.path())
            .env("SSL_CERT_FILE", authority)
            .output()
            .expect("the binary starts")
    };
    let up = |authority: &Path| {
        HostCommand::bare()
            .args(&["-f", &reference, "--disable-cache"])
            .env("DOCKER_CONFIG", &folder.path().to_string_lossy())
            .env("SSL_CERT_FILE", &authority.to_string_lossy())
    };
    assert_not_pushed(
        &push(&stranger),
        &["certificate", "is not trusted", "SSL_CERT_FILE"],
    );
    let pushed = push(&authority);
    assert!(pushed.status.success(), "{pushed:?}");
    let host = up(&authority).start();
    host.http1().get("/env/list?path=/").await.expect(200);

    assert_refused(
        up(&stranger),
        &["certificate", "is not trusted", "SSL_CERT_FILE"],
    );
    assert_refused(
        up(&authority).args(&["--insecure"]),
        &["speaks TLS. Leave --insecure out"],
    );
    // No authority at all, as in a container image without certificates.
    assert_refused(
        up(&folder.path().join("none.pem")),
        &["no certificates of authorities", "SSL_CERT_FILE"],
    );
}

#[tokio::test]
async fn a_registry_without_tls_needs_to_be_asked_for_so() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let docker = no_credentials();
    let command = HostCommand::bare()
        .args(&["-f", &reference, "--disable-cache"])
        .env("DOCKER_CONFIG", &docker.path().to_string_lossy())
        .keep(docker);
    assert_refused(command, &["does not speak TLS", "add --insecure"]);
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    assert_refused(
        up("no-such-registry.invalid/app:v1"),
        &[
            "no-such-registry.invalid",
            "there is no host of the name",
            "a path to a spin.toml must exist",
        ],
    );
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    assert_refused(
        up(&format!("{address}/app:v1")),
        &[&address, "cannot be reached", "Nothing listens there"],
    );
    // Something that hangs up at once.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    assert_refused(
        up(&format!("{address}/app:v1")),
        &[&address, "cannot be reached"],
    );
}

#[tokio::test]
async fn a_host_that_waits_for_a_registry_ends_when_it_is_told_to() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let silent = silent.expect("a port");
    let reference = format!("{}/app:v1", silent.local_addr().expect("an address"));
    let mut host = up(&reference).spawn();
    let _asked = within("a question to the registry", silent.accept()).await;
    host.signal(Signal::SIGTERM);
    assert_eq!(host.wait().code(), Some(0));
}
