//! A token service: it knows [`USER`], by the password and by an identity token, and gives tokens that a registry takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, LOCATION};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use rcgen::{CertifiedKey, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::http_server::{HttpServer, certificate};
use super::server::USER;

/// What [`USER`] is known by in place of the password.
pub const IDENTITY_TOKEN: &str = "opensesame-for-months";
/// What the registry calls itself.
pub const SERVICE: &str = "registry.test";
/// Who signs tokens.
pub const ISSUER: &str = "tokens.test";
/// Repositories that anyone may pull begin with it.
pub const PUBLIC: &str = "public/";

/// A token service on loopback. It ends when this is dropped.
pub struct TokenService {
    server: HttpServer,
    realm: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Signs tokens. Who trusts its certificate trusts them.
    signing: CertifiedKey<KeyPair>,
    asked: Mutex<Vec<Asked>>,
    answer: Mutex<Option<(StatusCode, String)>>,
}

/// What it was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The header field with credentials.
    pub authorization: Option<String>,
    /// What is in the query or the form.
    pub parameters: BTreeMap<String, String>,
}

impl TokenService {
    /// One without TLS.
    pub fn start() -> Self {
        let (service, listener) = Self::bind("http", "127.0.0.1");
        service.server.serve(listener, service.routes());
        service
    }

    /// One with TLS, at another host than `127.0.0.1` as far as names go.
    pub fn with_tls(certified: &CertifiedKey<KeyPair>) -> Self {
        let (service, listener) = Self::bind("https", "localhost");
        let routes = service.routes();
        service.server.serve_tls(listener, routes, certified);
        service
    }

    fn bind(scheme: &str, host: &str) -> (Self, tokio::net::TcpListener) {
        let (server, listener) = HttpServer::bind();
        let service = Self {
            realm: format!("{scheme}://{host}:{}/token", server.port()),
            server,
            shared: Arc::new(Shared {
                signing: certificate(),
                asked: Mutex::default(),
                answer: Mutex::default(),
            }),
        };
        (service, listener)
    }

    fn routes(&self) -> Router {
        Router::new()
            .fallback(answer)
            .with_state(self.shared.clone())
    }

    /// Its address, as registries name it.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The certificate that tokens are signed by, PEM.
    pub fn signed_by(&self) -> String {
        self.shared.signing.cert.pem()
    }

    /// What it was asked for since this was last asked.
    pub fn asked(&self) -> Vec<Asked> {
        let mut asked = self
            .shared
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut asked)
    }

    /// Has it answer that from now on, whatever it is asked for. A redirect has its location as the body.
    pub fn answer(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let mut answer = self
            .shared
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *answer = Some((status, body.to_owned()));
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let form = String::from_utf8_lossy(&body);
    let query = head.uri.query().unwrap_or(&form);
    let url = reqwest::Url::parse(&format!("http://any/?{query}")).expect("a query");
    let asked = Asked {
        method: head.method,
        authorization: head
            .headers
            .get(AUTHORIZATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        parameters: url.query_pairs().into_owned().collect(),
    };
    let mut all = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(asked.clone());
    drop(all);
    let scripted = shared.answer.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match scripted.clone() {
        Some(scripted) => scripted,
        None => shared.give(&asked),
    };
    let response = Response::builder().status(status);
    let response = match status.is_redirection() {
        true => response.header(LOCATION, &body),
        false => response,
    };
    response.body(Body::from(body)).expect("an answer")
}

impl Shared {
    /// The answer of a service that does what it should.
    fn give(&self, asked: &Asked) -> (StatusCode, String) {
        let parameter = |name: &str| asked.parameters.get(name).map_or("", String::as_str);
        let (user, password) = USER;
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let is_user = match (&asked.method, &asked.authorization) {
            (&Method::POST, None) => {
                if parameter("refresh_token") != IDENTITY_TOKEN
                    || parameter("grant_type") != "refresh_token"
                    || parameter("client_id").is_empty()
                {
                    let fault =
                        json!({"error": "invalid_grant", "error_description": "unknown identity"});
                    return (StatusCode::BAD_REQUEST, fault.to_string());
                }
                true
            }
            (&Method::GET, None) => false,
            (&Method::GET, Some(authorization)) if *authorization == basic => true,
            _ => {
                let fault = json!({"details": "incorrect username or password"});
                return (StatusCode::UNAUTHORIZED, fault.to_string());
            }
        };
        let scope: Vec<_> = parameter("scope").split(':').collect();
        let &["repository", repository, actions] = &scope[..] else {
            return (StatusCode::BAD_REQUEST, "no scope".to_owned());
        };
        let actions: Vec<_> = actions
            .split(',')
            .filter(|action| is_user || (*action == "pull" && repository.starts_with(PUBLIC)))
            .collect();
        let access = json!([{"type": "repository", "name": repository, "actions": actions}]);
        let token = self.token(parameter("service"), &access);
        let name = match asked.method {
            Method::POST => "access_token",
            _ => "token",
        };
        (
            StatusCode::OK,
            json!({name: token, "expires_in": 300}).to_string(),
        )
    }

    /// A signed token, as the distribution project specifies it.
    fn token(&self, audience: &str, access: &Value) -> String {
        let certificate = STANDARD.encode(self.signing.cert.der());
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("the time").as_secs();
        let claims = json!({
            "iss": ISSUER, "sub": "someone", "aud": audience, "jti": "1",
            "iat": now, "nbf": now - 60, "exp": now + 300, "access": access,
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let random = SystemRandom::new();
        let key = self.signing.signing_key.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &random);
        let signature = key.expect("a key").sign(&random, signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
        format!("{signed}.{signature}")
    }
}
