//! One connection: HTTP/1.1 and HTTP/2 on the same port, told apart by what the
//! client sends first.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::dispatch::Gateway;
use super::sending::StreamTasks;
use super::service::Client;

/// Requests that one HTTP/2 connection may have under way.
const MAX_HTTP2_STREAMS: u32 = 256;
/// The largest head of an HTTP/2 request, in bytes. HTTP/1's is its buffer.
const MAX_HTTP2_HEAD: u32 = 64 * 1024;

/// Hyper, set up for our limits.
pub fn builder(gateway: &Gateway) -> Builder<StreamTasks> {
    let limits = &gateway.limits;
    let mut builder = Builder::new(StreamTasks(gateway.readers.clone()));
    {
        let mut http1 = builder.http1();
        // A client that has closed its side before it has its answer counts as gone, as hyper has it by default: its request is
        // dropped, and a commit that waits is given back. One that closes that side alone looks the same.
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout);
        if let Some(size) = limits.http1_max_buf_size {
            http1.max_buf_size(size);
        }
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(MAX_HTTP2_HEAD)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// Serves a connection until either side closes it, or until `shutdown`: then
/// what is under way is finished.
pub async fn serve<S>(
    builder: &Builder<StreamTasks>,
    stream: S,
    gateway: Arc<Gateway>,
    client: Client,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Arc::new(client);
    let timeout = gateway.limits.header_timeout;
    let mut watch = gateway.readers.watch_connection();
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = asked.clone();
        service_fn(move |request| {
            asked.store(true, Ordering::Relaxed);
            let (gateway, client) = (gateway.clone(), client.clone());
            async move { Ok::<_, Infallible>(gateway.answer(&client, request).await) }
        })
    };
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = watch.over(connection.as_mut()) => result,
        () = silence(&asked, timeout) => {
            tracing::debug!("connection closed: no request within {timeout:?}");
            return;
        }
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            watch.over(connection.as_mut()).await
        }
    };
    // Without a result the client does not read, which is in the log.
    if let Some(Err(error)) = result {
        // A client that goes away or speaks nonsense is no fault of ours.
        tracing::debug!("connection closed: {error}");
    }
}

/// Resolves if there is no first request within `timeout`. Hyper limits how
/// long a head takes once it knows the version of HTTP, and not before.
async fn silence(asked: &AtomicBool, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}
