//! Registries that a token service lets users into, as the large public ones have it.

use http::Method;

use super::docker::{self, no_credentials, up_as};
use super::server::{Server, USER};
use super::token_service::{Asked, IDENTITY_TOKEN, PUBLIC, SERVICE, TokenService};
use super::{app, assert_not_pushed, assert_refused, push_with, up};

/// Pushes as the user that the token service knows.
fn push_as_user(server: &Server, reference: &str) {
    let docker = docker::with_password(server.address(), USER);
    let pushed = push_with(&app(), &["-k", reference], &docker);
    assert!(pushed.status.success(), "{pushed:?}");
}

/// The one request that the token service has had, checked to be for that scope.
fn asked_once(service: &TokenService, scope: &str) -> Asked {
    let mut asked = service.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].parameters["scope"], scope);
    assert_eq!(asked[0].parameters["service"], SERVICE);
    asked.remove(0)
}

#[tokio::test]
async fn anyone_pulls_what_the_token_service_lets_anyone_pull() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference(&format!("{PUBLIC}app:v1"));
    push_as_user(&server, &reference);
    service.asked();
    let host = up(&reference).start();
    host.http1().get("/env/list?path=/").await.expect(200);
    let asked = asked_once(&service, "repository:public/app:pull");
    assert_eq!((asked.method, asked.authorization), (Method::GET, None));

    let login = format!("docker login {}", server.address());
    let private = server.reference("app:v1");
    push_as_user(&server, &private);
    for name in [&private, &server.reference("no-such-app:v1")] {
        assert_refused(up(name), &[name, "has no credentials for it", &login]);
    }
    let pushed = push_with(&app(), &["-k", &reference], &no_credentials());
    assert_not_pushed(&pushed, &[&reference, "has no credentials for it", &login]);
}

#[tokio::test]
async fn a_user_pushes_and_pulls_with_a_password() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference("team/app:v1");
    push_as_user(&server, &reference);
    let asked = asked_once(&service, "repository:team/app:pull,push");
    assert!(asked.authorization.is_some(), "{asked:?}");
    let host = up_as(&reference, docker::with_password(server.address(), USER)).start();
    host.http1().get("/env/list?path=/").await.expect(200);
    let asked = asked_once(&service, "repository:team/app:pull");
    assert!(asked.authorization.is_some(), "{asked:?}");
    let said = host.log().join("\n");
    assert!(!said.contains(USER.1), "{said}");
}

#[tokio::test]
async fn a_user_pushes_and_pulls_with_an_identity_token() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference("team/app:v1");
    let docker = docker::with_identity_token(server.address(), IDENTITY_TOKEN);
    let pushed = push_with(&app(), &["-k", &reference], &docker);
    assert!(pushed.status.success(), "{pushed:?}");
    let asked = asked_once(&service, "repository:team/app:pull,push");
    assert_eq!((asked.method, asked.authorization), (Method::POST, None));
    // What a credential helper has is one if the user's name says so.
    let helper = docker::with_helper(server.address(), ("<token>", IDENTITY_TOKEN));
    let host = up_as(&reference, helper).start();
    host.http1().get("/env/list?path=/").await.expect(200);
    let asked = asked_once(&service, "repository:team/app:pull");
    assert_eq!(asked.method, Method::POST);
    let said = host.log().join("\n");
    assert!(!said.contains(IDENTITY_TOKEN), "{said}");
}

#[tokio::test]
async fn credentials_that_the_token_service_refuses_are_named() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference("app:v1");
    let login = format!("Log in again with `docker login {}`", server.address());
    let wrong = || docker::with_password(server.address(), (USER.0, "wrong"));
    let parts = [
        &*reference,
        service.realm(),
        "does not accept the password of the user \"somebody\": incorrect username or password",
        &login,
    ];
    assert_not_pushed(&push_with(&app(), &["-k", &reference], &wrong()), &parts);
    assert_refused(up_as(&reference, wrong()), &parts);
    assert_refused(
        up_as(
            &reference,
            docker::with_identity_token(server.address(), "expired"),
        ),
        &[
            service.realm(),
            "does not accept the identity token: unknown identity",
            &login,
        ],
    );
}

#[tokio::test]
async fn an_identity_token_is_no_password() {
    let server = Server::with_password();
    let reference = server.reference("app:v1");
    let docker = docker::with_identity_token(server.address(), IDENTITY_TOKEN);
    assert_refused(
        up_as(&reference, docker),
        &[
            &reference,
            "has an identity token",
            "the registry wants a password",
            &format!("docker login {}", server.address()),
        ],
    );
}

#[tokio::test]
async fn a_token_service_that_gives_no_token_is_named() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference("app:v1");
    let denied = r#"{"errors": [{"code": "DENIED", "message": "not yours"}]}"#;
    for (status, body, part) in [
        (
            403,
            denied,
            "does not let the user \"somebody\" pull this: not yours",
        ),
        (503, "in maintenance", "answered 503: in maintenance"),
        (200, "<html>", "answered 200 without a token"),
        (
            200,
            r#"{"token": "two\nlines"}"#,
            "answered 200 without a token",
        ),
        (200, &"x".repeat(100_000), "answered 200 without a token"),
    ] {
        service.answer(status, body);
        assert_refused(
            up_as(&reference, docker::with_password(server.address(), USER)),
            &[&reference, service.realm(), part],
        );
    }
    service.answer(401, "");
    assert_refused(up(&reference), &["has no credentials for it"]);

    // A token of which the registry knows nothing.
    service.answer(200, r#"{"token": "made-up"}"#);
    assert_refused(
        up_as(&reference, docker::with_password(server.address(), USER)),
        &["the registry does not let the user \"somebody\" pull this"],
    );
}

#[tokio::test]
async fn a_token_service_that_is_down_is_named_and_not_the_registry() {
    let service = TokenService::start();
    let server = Server::with_token_service(&service);
    let reference = server.reference("app:v1");
    let realm = service.realm().to_owned();
    drop(service);
    assert_refused(
        up(&reference),
        &[
            &reference,
            &format!(
                "the token service of the registry {}, {realm}, cannot be reached",
                server.address()
            ),
            "Nothing listens there",
        ],
    );
}
