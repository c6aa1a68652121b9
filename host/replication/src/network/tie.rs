//! Ties the requests of a stream to their results: who lets go of the results ends the requests.
//!
//! HTTP/2 has the two directions of a stream end apart. A side that does not look at results any more would go on making
//! requests, and a side that does not send results any more would go on waiting for requests.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{AbortHandle, Abortable, abortable};

/// Requests that end once what is returned with them is dropped.
pub fn tie<Q: Stream>(requests: Q) -> (Abortable<Q>, Tie) {
    let (requests, end) = abortable(requests);
    (requests, Tie(end))
}

/// Ends requests when it is dropped.
pub struct Tie(AbortHandle);

impl Tie {
    /// The results of the requests, which end when these are dropped.
    pub fn results<R: Stream + Unpin>(self, results: R) -> Tied<R> {
        Tied {
            results,
            _requests: self,
        }
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Results with the end of their requests.
pub struct Tied<R> {
    results: R,
    _requests: Tie,
}

impl<R: Stream + Unpin> Stream for Tied<R> {
    type Item = R::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R::Item>> {
        Pin::new(&mut self.results).poll_next(context)
    }
}
