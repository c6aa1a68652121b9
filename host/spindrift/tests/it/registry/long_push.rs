//! A token is replaced while it is in use: pushing may take longer than one counts.
//!
//! The registry is one of the test's own, which lets a push go on only when the token that it was begun with has been
//! replaced. It keeps nothing, and gives the tokens itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, LOCATION, RANGE, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::watch;

use super::docker;
use super::http_server::HttpServer;
use super::server::USER;
use super::{app, assert_not_pushed, push_with};
use crate::harness::within;

/// Where it gives tokens.
const REALM: &str = "/token";

/// A registry on loopback. It ends when this is dropped.
struct Registry {
    server: HttpServer,
    shared: Arc<Shared>,
}

struct Shared {
    realm: String,
    /// How many tokens there are to be had.
    tokens: usize,
    /// How often one was asked for. The first one is 1.
    asked: watch::Sender<usize>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The token that each upload was begun with.
    begun: BTreeMap<String, usize>,
    /// Uploads that were ended with a newer token than they were begun with.
    ended: usize,
    /// Requests without one of the tokens.
    others: Vec<String>,
}

impl Registry {
    fn start(tokens: usize) -> Self {
        let (server, listener) = HttpServer::bind();
        let shared = Arc::new(Shared {
            realm: format!("http://127.0.0.1:{}{REALM}", server.port()),
            tokens,
            asked: watch::Sender::new(0),
            seen: Mutex::default(),
        });
        let routes = Router::new().fallback(answer).with_state(shared.clone());
        server.serve(listener, routes);
        Self { server, shared }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let answer = Response::builder();
    if path == REALM {
        shared.asked.send_modify(|asked| *asked += 1);
        let token = *shared.asked.borrow();
        let (status, body) = match token <= shared.tokens {
            true => (
                200,
                json!({"token": token.to_string(), "expires_in": 1}).to_string(),
            ),
            false => (503, "out of tokens".to_owned()),
        };
        return answer.status(status).body(body.into()).expect("an answer");
    }
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")?.parse().ok());
    let Some(token) = token else {
        if path != "/v2/" || authorization.is_some() {
            let request = format!("{} {path} {authorization:?}", head.method);
            shared.seen().others.push(request);
        }
        let challenge = format!("Bearer realm=\"{}\",service=\"test\"", shared.realm);
        let answer = answer.status(401).header(WWW_AUTHENTICATE, challenge);
        return answer.body(Body::empty()).expect("an answer");
    };
    let length = body.collect().await.expect("a body").to_bytes().len();
    let (status, location) = shared.take(&head.method, &path, token).await;
    let answer = answer
        .status(status)
        .header(LOCATION, location)
        .header(RANGE, format!("0-{}", length.saturating_sub(1)));
    answer.body(Body::empty()).expect("an answer")
}

impl Shared {
    async fn take(&self, method: &Method, path: &str, token: usize) -> (StatusCode, String) {
        match (method, path.contains("/uploads/")) {
            (&Method::HEAD, _) => (StatusCode::NOT_FOUND, String::new()),
            (&Method::POST, true) => {
                let mut seen = self.seen();
                let location = format!("{path}{}", seen.begun.len());
                seen.begun.insert(location.clone(), token);
                (StatusCode::ACCEPTED, location)
            }
            (&Method::PATCH, true) => {
                // When the second one is asked for, the first one has arrived.
                let mut asked = self.asked.subscribe();
                let twice = asked.wait_for(|asked| *asked >= token + 2);
                drop(within("another token is asked for, twice", twice).await);
                (StatusCode::ACCEPTED, path.to_owned())
            }
            (&Method::PUT, true) => {
                let mut seen = self.seen();
                if seen.begun[path] >= token {
                    return (StatusCode::UNAUTHORIZED, String::new());
                }
                seen.ended += 1;
                (StatusCode::CREATED, path.to_owned())
            }
            _ => (StatusCode::CREATED, path.to_owned()),
        }
    }
}

#[tokio::test]
async fn a_token_is_replaced_while_something_is_pushed() {
    let registry = Registry::start(usize::MAX);
    let docker = docker::with_password(&registry.address(), USER);
    let reference = format!("{}/app:v1", registry.address());
    let pushed = push_with(&app(), &["-k", &reference], &docker);
    assert!(pushed.status.success(), "{pushed:?}");
    let seen = registry.shared.seen();
    assert!(seen.ended > 0 && seen.ended == seen.begun.len());
    // The password is for the token service alone.
    assert_eq!(seen.others, [""; 0]);
}

#[tokio::test]
async fn a_push_ends_when_there_are_no_more_tokens() {
    let registry = Registry::start(1);
    let docker = docker::with_password(&registry.address(), USER);
    let reference = format!("{}/app:v1", registry.address());
    assert_not_pushed(
        &push_with(&app(), &["-k", &reference], &docker),
        &[
            &reference,
            &registry.shared.realm,
            "answered 503: out of tokens",
        ],
    );
}
