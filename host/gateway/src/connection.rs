//! One connection: HTTP/1.1 and HTTP/2 on the same port, told apart by what the
//! client sends first.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::Body;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use spindrift_memory::lasting_value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::dispatch::Gateway;
use super::readers::StreamTasks;
use super::response::GatewayBody;
use super::service::{Client, GatewayLimits};
use crate::serving::{self, Activity, Answering, End, Timeouts, check_head};

/// The buffer of an HTTP/1 connection, in bytes, unless told otherwise. As much of a head may be held for a client that does
/// not send the rest, so hyper's 400 KiB are too much for thousands of them.
const MAX_HTTP1_BUFFER: usize = 128 * 1024;
/// Requests that one HTTP/2 connection may have under way.
const MAX_HTTP2_STREAMS: u32 = 256;
/// The largest head of an HTTP/2 request, in bytes. HTTP/1's is its buffer.
///
/// It bounds CONTINUATION frames, too: h2 takes as many as such a head fills, and some more.
const MAX_HTTP2_HEAD: u32 = 64 * 1024;
/// Streams that a client may reset before they are looked at; one more ends the connection. It is what h2 takes unless told
/// otherwise, and what keeps a client from having requests begun that it does not wait for (CVE-2023-44487).
const MAX_HTTP2_EARLY_RESETS: usize = 20;
/// Streams that the host resets because of a client's errors; one more ends the connection. It is what h2 takes unless told
/// otherwise (CVE-2025-8671).
const MAX_HTTP2_ERRORS: usize = 1024;
/// What is held of an answer that a client of HTTP/2 has not taken, in bytes, beyond the piece that a component wrote last.
const MAX_HTTP2_SEND_BUFFER: usize = 64 * 1024;

/// The header that tells a client how long it may leave a connection idle (RFC 2068, section 19.7.1.1).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much longer a connection may be idle than its client is told: a request that leaves the client just in time must not
/// find the connection closed.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(5);

impl GatewayLimits {
    /// How long a connection may be idle before the host closes it.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.keep_alive_timeout.saturating_add(KEEP_ALIVE_MARGIN)
    }

    /// The header that tells a client how long it may leave a connection idle, in whole seconds; none for less than one.
    pub(crate) fn keep_alive(&self) -> Option<HeaderValue> {
        let seconds = self.keep_alive_timeout.as_secs();
        (seconds > 0).then(|| lasting_value(format!("timeout={seconds}")))
    }
}

/// Hyper, set up for our limits.
pub(crate) fn builder(gateway: &Gateway) -> Builder<StreamTasks> {
    let limits = &gateway.limits;
    let mut builder = Builder::new(StreamTasks(gateway.readers.clone()));
    {
        let mut http1 = builder.http1();
        // Hyper ends the request of a client that has closed its side, as it does by default, so that a commit that waits is
        // given back. It hears of that late: the client may have closed that side alone.
        http1.max_buf_size(limits.http1_max_buf_size.unwrap_or(MAX_HTTP1_BUFFER));
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(MAX_HTTP2_HEAD)
        .max_pending_accept_reset_streams(MAX_HTTP2_EARLY_RESETS)
        .max_local_error_reset_streams(MAX_HTTP2_ERRORS)
        .max_send_buf_size(MAX_HTTP2_SEND_BUFFER)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// What is served on a connection, and how.
pub(crate) struct Served<'a> {
    /// Hyper, set up.
    pub builder: &'a Builder<StreamTasks>,
    /// What answers.
    pub gateway: Arc<Gateway>,
    /// Who asks.
    pub client: Client,
    /// What goes on on the connection.
    pub activity: Arc<Activity>,
    /// How long the client is waited for.
    pub timeouts: &'a Timeouts,
    /// Ends the connection when what is under way is finished.
    pub close: &'a CancellationToken,
    /// Whether the connection may have more than one request.
    pub keeps: bool,
}

/// Serves a connection until either side closes it, or until `close`: then what
/// is under way is finished.
pub(crate) async fn serve<S>(stream: S, served: Served<'_>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served {
        builder,
        gateway,
        client,
        activity,
        timeouts,
        close,
        keeps,
    } = served;
    // One count of those who refer to them, of which no other thread knows.
    let shared = Arc::new((gateway.clone(), client));
    let answer = {
        move |request: Request<_>, answering: Answering| {
            let shared = shared.clone();
            async move {
                let (gateway, client) = &*shared;
                let keeps = keeps && keeps_connection(request.version(), request.headers());
                let has_body = !Body::is_end_stream(request.body());
                let mut response = match check_head(&request) {
                    Ok(()) => gateway.answer(client, request).await,
                    Err(bad) => gateway.refuse(request, bad),
                };
                if keeps {
                    announce(&mut response, has_body, gateway.keep_alive());
                }
                answering.with(response)
            }
        }
    };
    let memory = &gateway.limits.memory;
    let serving = serving::serve(builder, stream, activity, memory, timeouts, close, answer);
    let mut watch = gateway.readers.watch_connection();
    // Without an end the client does not read, which is in the log.
    if watch.over(pin!(serving)).await == Some(End::Idle) {
        gateway.connections.closed_idle.inc();
    }
}

/// Whether a client of HTTP/1 wants to send another request on the connection (RFC 9112, section 9.3). HTTP/2 says nothing of
/// that with each request.
fn keeps_connection(version: Version, headers: &HeaderMap) -> bool {
    let wants = |option: &str| {
        headers.get_all(CONNECTION).iter().any(|value| {
            let mut options = value.as_bytes().split(|&byte| byte == b',');
            options.any(|found| found.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        })
    };
    match version {
        Version::HTTP_11 => !wants("close"),
        Version::HTTP_10 => wants("keep-alive"),
        _ => false,
    }
}

/// Tells a client how long it may leave the connection idle.
fn announce(
    response: &mut Response<GatewayBody>,
    has_body: bool,
    keep_alive: Option<&HeaderValue>,
) {
    // The rest of a body that is refused may be too much to be read, and then hyper closes the connection.
    let kept = !(has_body && response.status().as_u16() >= 400);
    let headers = response.headers_mut();
    if let Some(keep_alive) = keep_alive.filter(|_| kept)
        && !headers.contains_key(CONNECTION)
    {
        // What is said of a connection is named by this header, so that no proxy passes it on (RFC 9110, section 7.6.1).
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.insert(KEEP_ALIVE, keep_alive.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_whether_it_keeps_its_connection() {
        let (http10, http11) = (Version::HTTP_10, Version::HTTP_11);
        for (version, connection, keeps) in [
            (http11, "", true),
            (http11, "keep-alive", true),
            (http11, "te, Close", false),
            (http11, "closed", true),
            (http10, "", false),
            (http10, "upgrade,Keep-Alive", true),
            (Version::HTTP_2, "", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
            assert_eq!(
                keeps_connection(version, &headers),
                keeps,
                "{version:?} {connection:?}"
            );
        }
    }
}
