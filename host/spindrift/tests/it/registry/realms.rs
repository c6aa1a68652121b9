//! Where credentials go: to the token service that the registry names, and nowhere else.

use std::path::Path;

use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;

use super::docker::{self, up_as};
use super::http_server::certificate;
use super::server::{Server, USER};
use super::token_service::{IDENTITY_TOKEN, TokenService};
use super::{app, assert_refused};
use crate::harness::{HostCommand, command};

/// `spindrift up` on an application in a registry with TLS.
fn up_with_tls(reference: &str, docker: &TempDir, authority: &Path) -> HostCommand {
    HostCommand::bare()
        .args(&["-f", reference, "--disable-cache"])
        .env("DOCKER_CONFIG", &docker.path().to_string_lossy())
        .env("SSL_CERT_FILE", &authority.to_string_lossy())
}

/// A file with the certificate, and its folder.
fn authority(certified: &CertifiedKey<KeyPair>) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, certified.cert.pem()).expect("the authority");
    (folder, path)
}

#[tokio::test]
async fn a_token_service_at_another_host_with_tls_is_asked() {
    let certified = certificate();
    let (_folder, trusted) = authority(&certified);
    let service = TokenService::with_tls(&certified);
    let server = Server::with_tls_and_token_service(&certified, &service);
    let reference = server.reference("app:v1");
    let docker = docker::with_password(server.address(), USER);
    let app = app();
    let pushed = command("push")
        .args(["-f", &app.write().to_string_lossy(), &reference])
        .env("DOCKER_CONFIG", docker.path())
        .env("SSL_CERT_FILE", &trusted)
        .output()
        .expect("the binary starts");
    assert!(pushed.status.success(), "{pushed:?}");
    let host = up_with_tls(&reference, &docker, &trusted).start();
    host.http1().get("/env/list?path=/").await.expect(200);
    let asked = service.asked();
    assert!(
        asked.len() == 2 && asked.iter().all(|asked| asked.authorization.is_some()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_token_service_that_is_not_trusted_gets_nothing() {
    let certified = certificate();
    let (_folder, trusted) = authority(&certified);
    let service = TokenService::with_tls(&certificate());
    let server = Server::with_tls_and_token_service(&certified, &service);
    let docker = docker::with_password(server.address(), USER);
    assert_refused(
        up_with_tls(&server.reference("app:v1"), &docker, &trusted),
        &[
            "the token service of the registry",
            service.realm(),
            "has a certificate that is not trusted",
            "SSL_CERT_FILE",
        ],
    );
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn a_token_service_without_tls_gets_nothing_for_a_registry_with_tls() {
    let certified = certificate();
    let (_folder, trusted) = authority(&certified);
    let service = TokenService::start();
    let server = Server::with_tls_and_token_service(&certified, &service);
    for docker in [
        docker::no_credentials(),
        docker::with_password(server.address(), USER),
        docker::with_identity_token(server.address(), IDENTITY_TOKEN),
    ] {
        assert_refused(
            up_with_tls(&server.reference("app:v1"), &docker, &trusted),
            &[
                service.realm(),
                "does without TLS, so nothing is sent there",
            ],
        );
    }
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn a_token_service_cannot_send_credentials_elsewhere() {
    let (service, elsewhere) = (TokenService::start(), TokenService::start());
    let server = Server::with_token_service(&service);
    service.answer(307, elsewhere.realm());
    for docker in [
        docker::with_password(server.address(), USER),
        docker::with_identity_token(server.address(), IDENTITY_TOKEN),
    ] {
        assert_refused(
            up_as(&server.reference("app:v1"), docker),
            &[service.realm(), "answered 307"],
        );
    }
    assert_eq!(service.asked().len(), 2);
    assert!(elsewhere.asked().is_empty());
}
