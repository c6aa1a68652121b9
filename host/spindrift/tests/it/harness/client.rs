//! HTTP clients.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::wait::{pause, within};

/// Headers to send.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// A client of one host. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: Arc<str>,
    version: Version,
}

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// A client that speaks HTTP/1.1 to `base`, `http://127.0.0.1:…`.
    pub fn http1(base: String) -> Self {
        Self::new(base, Version::HTTP_11)
    }

    pub(super) fn http2(base: String) -> Self {
        Self::new(base, Version::HTTP_2)
    }

    fn new(base: String, version: Version) -> Self {
        let mut builder = Pool::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .http2_only(version == Version::HTTP_2);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Client {
            pool: builder.build(connector),
            base: base.into(),
            version,
        }
    }

    /// The version that it speaks, to say it in a failure.
    pub fn version(&self) -> Version {
        self.version
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// As [`Client::get`], and again as long as the answer is a 503.
    pub async fn get_patiently(&self, path: &str) -> Answer {
        within(path, async {
            loop {
                let answer = self.get(path).await;
                if answer.status != 503 {
                    return answer;
                }
                pause().await;
            }
        })
        .await
    }

    /// A metric of the host whose admin port this is a client of, by its name and labels.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.parse().expect("a number")
    }

    /// `PUT`.
    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Any method, with headers and a body.
    ///
    /// # Panics
    ///
    /// If there is no whole answer in time.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Answer {
        let what = format!("{method} {path}");
        match self.try_send(method, path, headers, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{:?} {what}: {error}", self.version),
        }
    }

    /// As [`Client::send`], for requests whose answer may be cut off.
    ///
    /// # Errors
    ///
    /// Says why there is no whole answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let what = format!("{method} {path}");
        within(what, async {
            let response = self.open(method, path, headers, body).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(chain)?.to_bytes();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        })
        .await
    }

    /// As [`Client::send`], but returns at the response's head: the test reads the body as it comes.
    ///
    /// # Errors
    ///
    /// Says why there is no head.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, String> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.base))
            .version(self.version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).map_err(chain)?;
        within(
            format!("the head of {method} {path}"),
            self.pool.request(request),
        )
        .await
        .map_err(chain)
    }
}

/// An error with its causes, on one line.
fn chain(error: impl std::error::Error + 'static) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("a body that is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {self:?}"),
        }
    }

    /// A header's value; empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("(no text)"))
    }

    /// Checks the status and returns the JSON body.
    ///
    /// # Panics
    ///
    /// If it is another, with the whole answer.
    pub fn expect(&self, status: u16) -> serde_json::Value {
        self.expect_for(status, "")
    }

    /// As [`Answer::expect`], saying what was asked.
    ///
    /// # Panics
    ///
    /// If the status is another.
    pub fn expect_for(&self, status: u16, what: impl Display) -> serde_json::Value {
        assert_eq!(self.status.as_u16(), status, "{what}: {self:?}");
        if self.body.is_empty() {
            serde_json::Value::Null
        } else {
            self.json()
        }
    }
}
