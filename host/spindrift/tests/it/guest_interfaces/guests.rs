//! Asking guests: they answer `{"ok": …}` or `{"error": "name"}`, both with status 200.

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::harness::{Answer, App, Client, Host, HostCommand};

/// The arguments of an operation, as they are before they are encoded.
pub type Args<'a> = &'a [(&'a str, &'a str)];

/// A host that runs test guests.
pub struct Guests {
    /// The host.
    pub host: Host,
    client: Client,
}

impl Guests {
    /// Starts the application.
    pub fn start(app: App) -> Self {
        Self::start_command(app.command())
    }

    /// Starts the application with what the command has beside it.
    pub fn start_command(command: HostCommand) -> Self {
        let host = command.start();
        Guests {
            client: host.http1(),
            host,
        }
    }

    /// Each of these guests through each version of HTTP, for tests that hold for all of them.
    pub fn each<const N: usize>(&self, guests: [&'static str; N]) -> Vec<(&'static str, Client)> {
        let clients = self.host.clients();
        guests
            .into_iter()
            .flat_map(|guest| clients.clone().map(|client| (guest, client)))
            .collect()
    }

    /// What the guest answers, where the operation goes well. `path` is `guest/operation`.
    ///
    /// # Panics
    ///
    /// If it does not go well.
    pub async fn ok(&self, path: &str, args: Args<'_>) -> Value {
        self.ok_with_body(path, args, "").await
    }

    /// As [`Guests::ok`], with a request body.
    pub async fn ok_with_body(&self, path: &str, args: Args<'_>, body: impl Into<Bytes>) -> Value {
        let mut answer = self.answer(path, args, body).await.expect_for(200, path);
        match answer.get_mut("ok") {
            Some(ok) => ok.take(),
            None => panic!("{path}: {answer}"),
        }
    }

    /// The error that the guest answers with.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn error(&self, path: &str, args: Args<'_>) -> String {
        self.error_with_body(path, args, "").await
    }

    /// As [`Guests::error`], with a request body.
    pub async fn error_with_body(
        &self,
        path: &str,
        args: Args<'_>,
        body: impl Into<Bytes>,
    ) -> String {
        let answer = self.answer(path, args, body).await.expect_for(200, path);
        match answer["error"].as_str() {
            Some(error) => error.to_owned(),
            None => panic!("{path}: no error but {answer}"),
        }
    }

    /// The whole body of an answer that is plain text.
    ///
    /// # Panics
    ///
    /// If the status is not 200.
    pub async fn text(&self, path: &str, args: Args<'_>) -> String {
        let answer = self.answer(path, args, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text()
    }

    /// The answer, whatever it is.
    pub async fn answer(&self, path: &str, args: Args<'_>, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        let method = if body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        self.client
            .send(method, &target(path, args), &[], body)
            .await
    }
}

/// `/guest/operation?name=value&…`, encoded.
pub fn target(path: &str, args: Args<'_>) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let args: Vec<_> = args
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    format!("/{path}?{}", args.join("&"))
}
