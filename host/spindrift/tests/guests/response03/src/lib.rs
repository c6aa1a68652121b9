//! Responses of `wasi:http` 0.3 for test guests: [`whole`] ones, and [`streamed`] ones whose body is written after the
//! head went out.

#![warn(missing_docs)]

use bytes::Bytes;
use spin_sdk::http::{FullBody, HeaderMap, IntoResponse, StatusCode};
use spin_sdk::wasip3::http::types::{Fields, Response};
use spin_sdk::wasip3::wit_bindgen::StreamWriter;
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

/// A response with its whole body. Its head goes out when the handler returns it.
///
/// # Panics
///
/// When `status` is no status code.
pub fn whole(status: u16, body: impl Into<Vec<u8>>) -> Response {
    with_headers(status, HeaderMap::new(), body)
}

/// As [`whole`], with headers.
///
/// # Panics
///
/// When `status` is no status code, or the host refuses a header.
pub fn with_headers(status: u16, headers: HeaderMap, body: impl Into<Vec<u8>>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status code");
    let body = FullBody::new(Bytes::from(body.into()));
    (status, headers, body)
        .into_response()
        .expect("a response that the host takes")
}

/// A response with status 200 whose body `write` writes. It first runs after the handler returned the response; a
/// write ends when the host has taken the bytes.
pub fn streamed(write: impl AsyncFnOnce(StreamWriter<u8>) + 'static) -> Response {
    let (body_writer, body) = wit_stream::new();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    spawn(async move {
        write(body_writer).await;
        // The client may have gone, and with it the reader: nobody is left to tell.
        let _ = trailers_writer.write(Ok(None)).await;
    });
    response
}
