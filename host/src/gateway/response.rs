//! The bodies that go out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::{Error, WasiBody};

/// The body of a response: all there, or still being written by a guest.
///
/// A body that is all there has a known length, and leaves with its head in
/// one write.
pub enum GatewayBody {
    /// All there. A long one counts as a request under way until it is sent:
    /// a client that does not read must not make the host hold any number.
    Full(Full<Bytes>, Option<OwnedSemaphorePermit>),
    /// Still being written. It counts as a request under way until its end.
    Streaming(WasiBody, OwnedSemaphorePermit),
}

/// What fits into a socket's buffer is not held for long.
const LONG: usize = 64 * 1024;

impl GatewayBody {
    /// A body that is all there.
    pub fn full(body: Bytes) -> Self {
        GatewayBody::Full(Full::new(body), None)
    }

    /// A body that is all there, of a request that counts as under way.
    pub fn held(body: Bytes, permit: OwnedSemaphorePermit) -> Self {
        let permit = (body.len() > LONG).then_some(permit);
        GatewayBody::Full(Full::new(body), permit)
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            GatewayBody::Full(body, _) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            GatewayBody::Streaming(body, _) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            GatewayBody::Full(body, _) => body.is_end_stream(),
            GatewayBody::Streaming(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            GatewayBody::Full(body, _) => body.size_hint(),
            GatewayBody::Streaming(body, _) => body.size_hint(),
        }
    }
}
