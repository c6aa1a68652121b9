//! [`Answering`] and [`TrackedBody`]: seeing which requests are under way on a connection, and which of them wait for their
//! client.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use spindrift_failures::{Kind, log_failure};
use spindrift_memory::{Spent, header_bytes};

use super::activity::Activity;

/// A request under way, until this is dropped.
pub struct Answering {
    activity: Arc<Activity>,
    /// Whether it does not wait for its client.
    works: bool,
}

impl Answering {
    /// A request that has just arrived, but for its body if it has one, which may come in chunks.
    pub(crate) fn begin(activity: Arc<Activity>, has_body: bool, in_chunks: bool) -> Self {
        activity.begin_request(has_body);
        activity.has_chunks(in_chunks);
        activity.begin_work();
        Answering {
            activity,
            works: true,
        }
    }

    /// Its answer. The request is under way until all of it is sent.
    ///
    /// # Errors
    ///
    /// There is no room on the budget for its head beside those that the client has not taken.
    pub fn with<B>(mut self, response: Response<B>) -> Result<Response<TrackedBody<B>>, Spent> {
        self.set_works(false);
        let added = self
            .activity
            .unsent_heads()
            .add(header_bytes(response.headers()));
        added.inspect_err(|spent| {
            log_failure!(
                WARN,
                Kind::NoMemory,
                "",
                "an answer was not sent: there was no memory for its head: {spent}"
            );
        })?;
        Ok(response.map(|body| TrackedBody {
            body,
            answering: self,
        }))
    }

    /// Part of its answer, which may be sent only after the rest has been handed over.
    fn part(&self) -> Self {
        self.activity.begin_answering();
        Answering {
            activity: self.activity.clone(),
            works: false,
        }
    }

    fn set_works(&mut self, works: bool) {
        match (self.works, works) {
            (false, true) => self.activity.begin_work(),
            (true, false) => self.activity.end_work(),
            _ => {}
        }
        self.works = works;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.set_works(false);
        self.activity.end_answering();
    }
}

/// The body of an answer to a request that is under way.
pub struct TrackedBody<B> {
    body: B,
    answering: Answering,
}

impl<B: Body + Unpin> Body for TrackedBody<B> {
    type Data = Part<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // While it has nothing to send, it is not the client that is waited for.
        self.answering.set_works(polled.is_pending());
        let answering = &self.answering;
        polled.map_ok(|frame| {
            frame.map_data(|data| Part {
                data,
                _answering: answering.part(),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Part of an answer to a request that is under way, until hyper has sent it and drops it.
pub struct Part<D> {
    data: D,
    _answering: Answering,
}

impl<D: Buf> Buf for Part<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(parts)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}
