//! [`ArrivingBody`]: seeing which bytes of a connection were handed over as the body of a request.
//!
//! What hyper has read of HTTP/1 and has not handed over is something around the body: trailers that have not come to their end,
//! extensions of chunks. It keeps 16 KiB of these, in buffers that are a few times as large.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::activity::Activity;

/// The body of a request. It notes when a part of it is handed over.
pub struct ArrivingBody {
    body: Incoming,
    activity: Arc<Activity>,
}

impl ArrivingBody {
    /// Of a request on the connection that this is the activity of.
    pub(crate) fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        ArrivingBody { body, activity }
    }
}

impl Body for ArrivingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(next) = &polled {
            let data = match next {
                Some(Ok(frame)) => frame.data_ref(),
                _ => None,
            };
            // Nothing is kept beside its end.
            let bytes = data.map_or(usize::MAX / 2, Bytes::len);
            self.activity.handed_over(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
