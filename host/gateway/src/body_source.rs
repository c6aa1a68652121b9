//! [`BodySource`]: where the body of a request comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::WasiBody;

use crate::serving::ArrivingBody;

/// A body that arrives.
pub(crate) enum BodySource {
    /// From a client's connection.
    Client(ArrivingBody),
    /// From a component that asks its own application.
    Component(WasiBody),
}

/// The body has ended before its end. Why, the other side knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incomplete;

impl Body for BodySource {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        match self.get_mut() {
            BodySource::Client(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(|_| Incomplete)
            }
            BodySource::Component(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(|_| Incomplete)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            BodySource::Client(body) => body.is_end_stream(),
            BodySource::Component(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            BodySource::Client(body) => body.size_hint(),
            BodySource::Component(body) => body.size_hint(),
        }
    }
}
