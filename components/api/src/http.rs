//! Requests and answers over `wasi:http`, in as few calls to the host as they
//! take.

use std::future::{Future, poll_fn};
use std::task::Poll;

use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Request, Response};
use spin_sdk::wasip3::{wit_future, wit_stream};
use spin_sdk::wit_bindgen::{self, StreamResult};

use crate::limits::MAX_BODY_BYTES;
use crate::reply::Reply;

/// How much of a body is asked for at first: most bodies come in one read.
const FIRST_READ_BYTES: usize = 4 * 1024;

/// Makes `reply` the handler's response.
///
/// A host that takes a body as soon as the response exists has all of it when
/// the handler returns. For one that takes it later, the writing goes on in
/// the background.
///
/// # Errors
///
/// The host refused the response's head.
pub async fn send(reply: Reply) -> Result<Response, ErrorCode> {
    let Reply {
        status,
        content_type,
        headers,
        body,
    } = reply;
    let mut fields = Vec::with_capacity(headers.len() + 2);
    fields.push(("content-type".into(), content_type.into()));
    if !body.is_empty() {
        fields.push(("content-length".into(), body.len().to_string().into()));
    }
    for (name, value) in headers {
        fields.push((name.into(), value.into_owned().into()));
    }
    let fields = Fields::from_list(&fields)
        .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;

    // No trailers: what is dropped unwritten resolves to its default.
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        let (response, _sent) = Response::new(fields, None, trailers);
        return with_status(response, status);
    }
    let (mut writer, contents) = wit_stream::new();
    let (response, _sent) = Response::new(fields, Some(contents), trailers);
    let response = with_status(response, status)?;
    let mut write = Box::pin(async move {
        writer.write_all(body).await;
        drop(writer);
        drop(no_trailers);
    });
    let written = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_ready())).await;
    if !written {
        wit_bindgen::spawn(write);
    }
    Ok(response)
}

fn with_status(response: Response, status: u16) -> Result<Response, ErrorCode> {
    if status != 200 && response.set_status_code(status).is_err() {
        return Err(ErrorCode::InternalError(Some(format!(
            "the host refused the status {status}"
        ))));
    }
    Ok(response)
}

/// Reads the whole body of `request`.
///
/// # Errors
///
/// 413 for a body over [`MAX_BODY_BYTES`].
pub async fn read_body(request: Request) -> Result<Vec<u8>, Reply> {
    let (_received, result) = wit_future::new(|| Ok(()));
    let (mut stream, _trailers) = Request::consume_body(request, result);
    let mut body = Vec::with_capacity(FIRST_READ_BYTES);
    loop {
        if body.len() == body.capacity() {
            body.reserve(body.len().max(FIRST_READ_BYTES));
        }
        let (status, read) = stream.read(body).await;
        body = read;
        if body.len() > MAX_BODY_BYTES {
            return Err(Reply::body_too_large());
        }
        match status {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped | StreamResult::Cancelled => return Ok(body),
        }
    }
}
