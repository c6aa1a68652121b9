//! [`HttpClient`]: one request with a time-out; and [`StoreClient`]: put, get and delete, with what the answer says of the
//! outcome.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request as HttpRequest};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use crate::checking::history::{Answer, Outcome, Request};

/// How long a connection of [`StoreClient::hasty`] may take to come about. Other clients wait for a connection as long as for an
/// answer: on a busy machine hundreds of connections that are opened at once take more than a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection is kept for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Why there was no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// There was no connection, so nothing was sent.
    NotSent(String),
    /// The request may have arrived.
    Lost(String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::NotSent(reason) => write!(f, "not sent: {reason}"),
            Unanswered::Lost(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

/// Speaks HTTP/1.1 or HTTP/2 to any address, and keeps connections open.
#[derive(Clone)]
pub struct HttpClient {
    pool: Client<HttpConnector, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client without connections.
    pub fn new() -> Self {
        Self::speaking(false, None)
    }

    /// A client that speaks HTTP/2, and has one connection to each address.
    pub fn http2() -> Self {
        Self::speaking(true, None)
    }

    /// Gives a connection up that has not come about after `connecting`, if that is sooner than the time of its request.
    fn speaking(http2: bool, connecting: Option<Duration>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(connecting);
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Sooner than a node closes it, which it might do just when the next request is sent.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_only(http2)
            // A request is sent once: what becomes of it is the point.
            .retry_canceled_requests(false)
            .build(connector);
        HttpClient { pool }
    }

    /// The status and the body that answer a GET.
    ///
    /// # Errors
    ///
    /// Says why there is no whole answer within `timeout`.
    pub async fn get(
        &self,
        address: SocketAddr,
        path: &str,
        timeout: Duration,
    ) -> Result<(u16, Bytes), Unanswered> {
        self.send(Method::GET, address, path, &[], Bytes::new(), timeout)
            .await
    }

    /// The status and the body that answer a request.
    ///
    /// # Errors
    ///
    /// Says why there is no whole answer within `timeout`.
    pub async fn send(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        timeout: Duration,
    ) -> Result<(u16, Bytes), Unanswered> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Unanswered::NotSent(error.to_string()))?;
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| {
                let reason = format!("{error:?}");
                if error.is_connect() {
                    Unanswered::NotSent(reason)
                } else {
                    Unanswered::Lost(reason)
                }
            })?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| Unanswered::Lost(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unanswered::Lost(format!("nothing within {timeout:?}"))),
        }
    }
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As new as any answer that anybody has had.
    Linearizable,
    /// What this node has.
    Stale,
}

/// Speaks the application's API.
#[derive(Clone, Default)]
pub struct StoreClient(HttpClient);

impl StoreClient {
    /// One that gives up after a second where it cannot connect, as to a node that is cut off: the request has certainly not
    /// arrived then, which tells a checker more than an unknown outcome.
    pub fn hasty() -> Self {
        StoreClient(HttpClient::speaking(false, Some(CONNECT_TIMEOUT)))
    }

    /// Asks the node at `address`, once.
    pub async fn ask(
        &self,
        address: SocketAddr,
        key: &str,
        request: Request,
        freshness: Freshness,
        timeout: Duration,
    ) -> Outcome {
        let (method, path, body) = match request {
            Request::Put(value) => (Method::PUT, "/put".to_owned(), item(key, value)),
            Request::Get => (Method::GET, format!("/get/{key}"), Bytes::new()),
            Request::Delete => (Method::DELETE, format!("/delete/{key}"), Bytes::new()),
        };
        let headers: &[_] = match freshness {
            Freshness::Linearizable => &[],
            Freshness::Stale => &[("x-consistency", "stale")],
        };
        let answer = self.0.send(method, address, &path, headers, body, timeout);
        match answer.await {
            Ok((status, body)) => outcome(key, request, status, &body),
            Err(Unanswered::NotSent(reason)) => Outcome::Failed(reason),
            Err(Unanswered::Lost(reason)) => Outcome::Unknown(reason),
        }
    }
}

fn item(key: &str, value: u64) -> Bytes {
    serde_json::json!({ "key": key, "value": value.to_string() })
        .to_string()
        .into()
}

/// What an answer says of its request. An answer that this API never gives is an unknown outcome: the checker judges the
/// rest, and the tally counts it.
fn outcome(key: &str, request: Request, status: u16, body: &[u8]) -> Outcome {
    #[derive(Deserialize)]
    struct Item {
        key: String,
        value: String,
    }
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let text = || format!("{status} {}", String::from_utf8_lossy(body));
    match (request, status) {
        (Request::Put(_), 200) => return Outcome::Answered(Answer::Written),
        (Request::Delete, 200) => return Outcome::Answered(Answer::Deleted),
        (Request::Get, 200) => {
            return match serde_json::from_slice::<Item>(body) {
                Ok(item) if item.key == key => match item.value.parse() {
                    Ok(value) => Outcome::Answered(Answer::Found(value)),
                    // No put wrote this.
                    Err(_) => Outcome::Answered(Answer::Found(u64::MAX)),
                },
                // Another key's value, or none.
                _ => Outcome::Answered(Answer::Written),
            };
        }
        _ => {}
    }
    let Ok(Problem { detail }) = serde_json::from_slice(body) else {
        return Outcome::Unknown(text());
    };
    match (request, status) {
        // The host says "Not Found" where no component takes the path.
        (Request::Get | Request::Delete, 404) if detail == "Key not found." => {
            Outcome::Answered(Answer::Absent)
        }
        // The words of `CommitError` and `ReadError`.
        _ if detail.contains("nothing was written") || detail.contains("cannot be read") => {
            Outcome::Failed(text())
        }
        (Request::Get, _) => Outcome::Failed(text()),
        _ => Outcome::Unknown(text()),
    }
}

#[test]
fn answers_are_told_apart() {
    use Answer::{Absent, Deleted, Found, Written};
    let read = |request, status, body: &str| outcome("k", request, status, body.as_bytes());
    let answered = Outcome::Answered;
    let get = Request::Get;
    let put = Request::Put(7);
    let delete = Request::Delete;
    assert_eq!(read(put, 200, "{}"), answered(Written));
    assert_eq!(read(delete, 200, "{}"), answered(Deleted));
    let found = r#"{"key":"k","value":"7"}"#;
    assert_eq!(read(get, 200, found), answered(Found(7)));
    let other = r#"{"key":"l","value":"7"}"#;
    assert_eq!(read(get, 200, other), answered(Written), "never right");
    let absent = r#"{"detail":"Key not found."}"#;
    assert_eq!(read(get, 404, absent), answered(Absent));
    assert_eq!(read(delete, 404, absent), answered(Absent));
    for (request, status, body) in [
        (
            put,
            503,
            r#"{"detail":"nothing was written: there is no leader"}"#,
        ),
        (
            delete,
            500,
            r#"{"detail":"the store cannot be read now: no leader"}"#,
        ),
        (get, 503, r#"{"detail":"anything"}"#),
    ] {
        assert!(
            matches!(read(request, status, body), Outcome::Failed(_)),
            "{body}"
        );
    }
    for (request, status, body) in [
        (
            put,
            503,
            r#"{"detail":"it is unknown whether the write was applied: x"}"#,
        ),
        (put, 404, absent),
        (delete, 404, r#"{"detail":"Not Found"}"#),
        (delete, 500, "oops"),
    ] {
        assert!(
            matches!(read(request, status, body), Outcome::Unknown(_)),
            "{body}"
        );
    }
}
