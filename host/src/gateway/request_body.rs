//! Holding a request's body: a run may have to be repeated, so the whole of it
//! is there before the first one.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::problem::Problem;

/// How much of a refused body is read, and for how long.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads the body to its end.
///
/// # Errors
///
/// Fails if it is over `limit_bytes`, if that is declared without reading it,
/// if it takes longer than `timeout`, or if the client goes away.
pub async fn hold(
    headers: &HeaderMap,
    body: Incoming,
    limit_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    let mut body = body;
    if declared.is_some_and(|declared| declared > limit_bytes as u64) {
        discard(body);
        return Err(Problem::BodyTooLarge { limit_bytes });
    }
    let held = Limited::new(&mut body, limit_bytes).collect();
    match tokio::time::timeout(timeout, held).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body);
            Err(Problem::BodyTooLarge { limit_bytes })
        }
        Ok(Err(_)) => Err(Problem::BadRequest("the request body is incomplete")),
        Err(_) => Err(Problem::BodyTimeout(timeout)),
    }
}

/// Reads what a client goes on sending, within bounds, while it is told that
/// nobody takes it: closing the connection on unread data would take the
/// answer with it.
pub fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(tokio::time::timeout(DISCARD_TIME, async move {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }));
}
