//! What guests print: each line of stdout and stderr becomes a log line with
//! the component's id.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::logging::{self, Stream};

/// A line longer than this is logged in pieces, so that a guest cannot make
/// the host hold an endless one.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// A guest's stdout or stderr.
pub struct GuestOutput {
    component: Arc<str>,
    stream: Stream,
}

impl GuestOutput {
    pub fn new(component: Arc<str>, stream: Stream) -> Self {
        GuestOutput { component, stream }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineWriter {
            component: self.component.clone(),
            stream: self.stream,
            line: Vec::new(),
        })
    }
}

struct LineWriter {
    component: Arc<str>,
    stream: Stream,
    /// The beginning of a line whose end has not been written yet.
    line: Vec<u8>,
}

impl LineWriter {
    fn log_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        logging::guest_line(&self.component, self.stream, line.trim_end_matches('\r'));
        self.line.clear();
    }
}

impl AsyncWrite for LineWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        for &byte in written {
            if byte == b'\n' {
                self.log_line();
            } else {
                self.line.push(byte);
                if self.line.len() >= MAX_LINE_BYTES {
                    self.log_line();
                }
            }
        }
        Poll::Ready(Ok(written.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.log_line();
        }
    }
}
