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
    if declared.is_some_and(|declared| declared > limit_bytes as u64) {
        return Err(Problem::BodyTooLarge { limit_bytes });
    }
    let body = Limited::new(body, limit_bytes).collect();
    match tokio::time::timeout(timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::BodyTooLarge { limit_bytes })
        }
        Ok(Err(_)) => Err(Problem::BadRequest("the request body is incomplete")),
        Err(_) => Err(Problem::BodyTimeout(timeout)),
    }
}
