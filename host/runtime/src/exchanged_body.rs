//! [`ExchangedBody`]: the body of an outgoing request, or of the response to one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use spindrift_memory::Charge;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, WasiBody};

/// A body of which the guest may write or read more, until its end.
pub(crate) struct ExchangedBody {
    /// `None` after its end.
    body: Option<WasiBody>,
    unfinished: Option<Unfinished>,
    reads_on: Option<CancellationToken>,
}

/// Counts a body until its end.
struct Unfinished {
    count: Arc<AtomicUsize>,
    /// What is held for it on the budget.
    _charge: Option<Charge>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ExchangedBody {
    pub(crate) fn new(body: WasiBody) -> Self {
        ExchangedBody {
            body: Some(body),
            unfinished: None,
            reads_on: None,
        }
    }

    /// Counts it in `unfinished` until its end, and holds `charge` for as long.
    pub(crate) fn counted(mut self, unfinished: &Arc<AtomicUsize>, charge: Option<Charge>) -> Self {
        if !self.is_end_stream() {
            unfinished.fetch_add(1, Ordering::Relaxed);
            self.unfinished = Some(Unfinished {
                count: unfinished.clone(),
                _charge: charge,
            });
        }
        self
    }

    /// Has the rest read and thrown away, `until` then, if nobody takes it: the request is refused, its host cannot be reached, or
    /// answers early.
    ///
    /// A guest of `wasi:http` 0.2 writes the body before it asks for the answer. If nobody read it, the guest would find its
    /// stream closed, and would never ask why. One of 0.3 is told with the answer, and may stop writing before that.
    pub(crate) fn reading_on(mut self, until: CancellationToken) -> Self {
        self.reads_on = Some(until);
        self
    }
}

impl Body for ExchangedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if body.is_end_stream() {
            self.unfinished = None;
        }
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.unfinished = None;
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(WasiBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or(SizeHint::with_exact(0), WasiBody::size_hint)
    }
}

impl Drop for ExchangedBody {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        // At the end of the process there is no runtime.
        if let (Some(mut body), Some(until), Ok(runtime)) =
            (rest, self.reads_on.take(), Handle::try_current())
        {
            runtime.spawn(until.run_until_cancelled_owned(async move {
                while let Some(Ok(_)) = body.frame().await {}
            }));
        }
    }
}
