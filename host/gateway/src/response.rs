//! The bodies that go out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use spindrift_memory::Charge;
use spindrift_runtime::{Guest, StreamedBody};
use wasmtime_wasi_http::Error;

use super::sending::{Piece, Sending, Unread};

/// The body of a response: all there, or still being written by a guest.
///
/// A body that is all there has a known length, and leaves with its head in
/// one write. What is held of it is on the budget until it is sent.
pub(crate) enum GatewayBody {
    /// All there, or what is left of it.
    Full(FullBody),
    /// Still being written.
    Streaming(Box<Streaming>),
}

/// See [`GatewayBody::Full`].
pub(crate) struct FullBody {
    rest: Bytes,
    charge: Option<Charge>,
    unread: Option<Unread>,
}

/// See [`GatewayBody::Streaming`].
pub(crate) struct Streaming {
    body: StreamedBody,
    /// The guest, until its body has ended. Nobody else reads it: so it ends with its reader.
    guest: Option<Guest>,
    /// The bytes that are left of those that the response's head announces, if it does. Hyper asks for nothing after them.
    announced: Option<u64>,
    end: End,
}

/// What is known of the end of a streamed body.
enum End {
    Ahead,
    /// It is reached, and waits until the client has taken the rest.
    Reached(Option<HeaderMap>),
    /// It was told.
    Told,
}

impl GatewayBody {
    /// A body that is all there, and that takes no memory of its own worth counting.
    pub(crate) fn full(body: Bytes) -> Self {
        GatewayBody::Full(FullBody {
            rest: body,
            charge: None,
            unread: None,
        })
    }

    /// A body that is all there, on the budget by `charge`, and of the connection's share by `unread`.
    pub(crate) fn held(body: Bytes, charge: Charge, unread: Option<Unread>) -> Self {
        GatewayBody::Full(FullBody {
            rest: body,
            charge: Some(charge),
            unread,
        })
    }

    /// A body that `guest` is still writing, if it still runs. The head of its response may announce a length.
    pub(crate) fn streaming(body: StreamedBody, guest: Option<Guest>, head: &HeaderMap) -> Self {
        let announced = head.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        GatewayBody::Streaming(Box::new(Streaming {
            body,
            guest,
            announced,
            end: End::Ahead,
        }))
    }

    /// Gives up a body that is not to be sent. Its guest goes on: it finds that nobody reads.
    pub(crate) fn leave_unsent(&mut self) {
        if let GatewayBody::Streaming(streaming) = self {
            streaming.guest = None;
        }
        *self = GatewayBody::full(Bytes::new());
    }
}

impl FullBody {
    /// What is handed to hyper next.
    ///
    /// Over HTTP/2 the last byte goes by itself. Hyper waits for the client's window before it hands a piece to `h2`, but not
    /// for all of the piece: a window of one byte would end the task of the stream, and nothing could reset it then.
    fn next_piece(&mut self, sending: Option<Arc<Sending>>) -> Piece {
        let is_stream = sending.as_ref().is_some_and(|sending| sending.is_stream());
        if is_stream && self.rest.len() > 1 {
            let most = self.rest.split_to(self.rest.len() - 1);
            return Piece::new(most, sending, None, None);
        }
        let last = std::mem::take(&mut self.rest);
        Piece::new(last, sending, self.charge.take(), self.unread.take())
    }
}

impl Streaming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Error>>> {
        if matches!(self.end, End::Ahead) {
            let trailers = match ready!(self.body.poll_piece(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok((bytes, charge)) => {
                        if let Some(left) = &mut self.announced {
                            *left = left.saturating_sub(bytes.len() as u64);
                        }
                        let piece = Piece::streamed(bytes, Sending::current(), charge);
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                    Err(frame) => frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    self.end = End::Told;
                    return Poll::Ready(Some(Err(error)));
                }
                None => None,
            };
            // What the guest does from here on is no longer for this client.
            self.guest = None;
            self.end = End::Reached(trailers);
        }
        // Hyper does not wait for the client's window before it tells of an end, and the stream's task ends with that: see
        // `FullBody::next_piece`.
        let sending = Sending::current().filter(|sending| sending.is_stream());
        if sending.is_some_and(|sending| !sending.poll_drained(cx.waker())) {
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.end, End::Told) {
            End::Reached(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            _ => Poll::Ready(None),
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some(guest) = self.guest.take().filter(|_| self.announced != Some(0)) {
            guest.end();
        }
    }
}

impl Body for GatewayBody {
    type Data = Piece;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Error>>> {
        match self.get_mut() {
            GatewayBody::Full(body) if body.rest.is_empty() => Poll::Ready(None),
            GatewayBody::Full(body) => {
                let piece = body.next_piece(Sending::current());
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            GatewayBody::Streaming(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            GatewayBody::Full(body) => body.rest.is_empty(),
            GatewayBody::Streaming(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            GatewayBody::Full(body) => SizeHint::with_exact(body.rest.len() as u64),
            GatewayBody::Streaming(_) => SizeHint::default(),
        }
    }
}
