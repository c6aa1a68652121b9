//! What guests print: each line of stdout and stderr becomes a log line with
//! the component's id.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::guest_log::{GuestLog, Stream};

/// A line longer than this is logged in pieces, so that a guest cannot make
/// the host hold an endless one.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// A guest's stdout or stderr.
pub(crate) struct GuestOutput {
    log: Arc<GuestLog>,
    stream: Stream,
}

impl GuestOutput {
    pub(crate) fn new(log: Arc<GuestLog>, stream: Stream) -> Self {
        GuestOutput { log, stream }
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
            log: self.log.clone(),
            stream: self.stream,
            line: Vec::new(),
        })
    }
}

struct LineWriter {
    log: Arc<GuestLog>,
    stream: Stream,
    /// The beginning of a line whose end has not been written yet.
    line: Vec<u8>,
}

impl LineWriter {
    /// Logs the line so far, and gives how many lines were dropped instead: 0 or 1.
    fn log_line(&mut self) -> u64 {
        let end = self.line.iter().rposition(|&byte| byte != b'\r');
        let line = &self.line[..end.map_or(0, |last| last + 1)];
        let logged = self.log.line(self.stream, line);
        self.line.clear();
        u64::from(!logged)
    }
}

impl AsyncWrite for LineWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        written: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.log.is_wanted() {
            return Poll::Ready(Ok(written.len()));
        }
        let mut dropped = 0;
        for &byte in written {
            if byte == b'\n' {
                dropped += self.log_line();
            } else {
                self.line.push(byte);
                if self.line.len() >= MAX_LINE_BYTES {
                    dropped += self.log_line();
                }
            }
        }
        if dropped > 0 {
            self.log.note_dropped(dropped);
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
        if !self.line.is_empty() && self.log_line() > 0 {
            self.log.note_dropped(1);
        }
    }
}
