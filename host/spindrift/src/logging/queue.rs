//! The queue between those that log and standard error, which may be a pipe that nobody reads.
//!
//! A write to a full pipe waits until somebody reads, and a request, a Raft task or the shutdown must not wait with it. So a
//! thread of its own writes, and the others leave their lines in a queue. The queue is bounded in lines and in bytes. A line that
//! finds no room is dropped and counted, and in its place the log has one line that says how many were dropped. Guests can print
//! faster than anybody reads, so the last quarter of the queue is for the host's own lines.
//!
//! `tracing-appender` has such a thread, too. Its queue is bounded in lines alone, a guest's line may have 16 KiB, it keeps no room
//! for anybody, and it reports a queue that is full at the end through `println!`, which may block.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use spindrift_runtime::GUEST;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;
use super::batch::Batch;

/// Bytes of room for each line of room. Lines of the host have some 200.
const BYTES_A_LINE: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineSource {
    /// The host's.
    Host,
    /// A component's.
    Guest,
}

/// The queue. A thread takes lines out of it for as long as the process lives.
#[derive(Debug)]
pub(crate) struct Queue {
    max_lines: NonZeroUsize,
    format: LogFormat,
    dropped: Counter,
    state: Mutex<State>,
    /// Told when there is something to write.
    filled: Condvar,
    /// Told when everything is written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines dropped since the last one that was taken in.
    dropped: u64,
    /// Whether the queue was full for the host, and for guests, and has not been half empty since.
    full_for_host: bool,
    full_for_guests: bool,
    /// Whether the thread is writing what it has taken out.
    writing: bool,
}

#[derive(Debug)]
struct Line {
    /// Lines that were dropped between the line before and this one.
    dropped_before: u64,
    text: Box<[u8]>,
}

impl State {
    /// How much of the queue is filled, in thousandths.
    fn filled(&self, max_lines: NonZeroUsize) -> usize {
        let max_bytes = max_lines.saturating_mul(BYTES_A_LINE);
        let lines = self.lines.len().saturating_mul(1000) / max_lines;
        let bytes = self.bytes.saturating_mul(1000) / max_bytes;
        lines.max(bytes)
    }

    /// Whether there is room for a line. A queue that was full takes nothing until half of it is free. So one line counts many
    /// dropped lines, and the log is not filled with such counts.
    fn has_room(&mut self, max_lines: NonZeroUsize, source: LineSource) -> bool {
        let filled = self.filled(max_lines);
        let (room, was_full) = match source {
            LineSource::Host => (1000, &mut self.full_for_host),
            LineSource::Guest => (750, &mut self.full_for_guests),
        };
        *was_full = filled >= if *was_full { room / 2 } else { room };
        !*was_full
    }

    fn add(&mut self, text: &[u8]) {
        self.bytes += text.len();
        self.lines.push_back(Line {
            dropped_before: std::mem::take(&mut self.dropped),
            text: text.into(),
        });
    }
}

impl Queue {
    /// A queue of so many lines, and [`BYTES_A_LINE`] for each, which are written to `out`. `dropped` counts those that are not.
    ///
    /// # Errors
    ///
    /// The system starts no thread.
    pub(crate) fn start(
        max_lines: NonZeroUsize,
        format: LogFormat,
        dropped: Counter,
        out: impl Write + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            max_lines,
            format,
            dropped,
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let writing = queue.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || writing.write_to(out))?;
        Ok(queue)
    }

    /// Takes in a line with its end, or drops it. Waits for nobody.
    pub(crate) fn push(&self, source: LineSource, text: &[u8]) {
        let mut state = self.state.lock();
        if state.has_room(self.max_lines, source) {
            state.add(text);
            drop(state);
            self.filled.notify_one();
        } else {
            state.dropped += 1;
            drop(state);
            self.dropped.inc();
        }
    }

    /// Takes in a line though there may be no room: for the few that are said at the end of a process.
    pub(crate) fn push_last(&self, text: &[u8]) {
        self.state.lock().add(text);
        self.filled.notify_one();
    }

    /// Waits until everything is written, but no longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.writing || !state.lines.is_empty() || state.dropped > 0 {
            if self.emptied.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    fn write_to(&self, mut out: impl Write) {
        let mut batch = Batch::new(self.format);
        loop {
            self.take(&mut batch);
            self.dropped.inc_by(batch.write_to(&mut out));
        }
    }

    /// Waits for lines, and takes out as many as are written at once.
    fn take(&self, batch: &mut Batch) {
        let mut state = self.state.lock();
        state.writing = false;
        while state.lines.is_empty() && state.dropped == 0 {
            self.emptied.notify_all();
            self.filled.wait(&mut state);
        }
        state.writing = true;
        while let Some(line) = state.lines.pop_front() {
            state.bytes -= line.text.len();
            batch.add_dropped(line.dropped_before);
            batch.add(&line.text);
            if !state
                .lines
                .front()
                .is_none_or(|next| batch.takes(&next.text))
            {
                return;
            }
        }
        // No line has been taken in since these were dropped.
        batch.add_dropped(std::mem::take(&mut state.dropped));
    }
}

/// Has the lines of `tracing` go through a queue.
#[derive(Clone, Debug)]
pub(crate) struct ToQueue(pub(crate) Arc<Queue>);

/// Takes one line.
#[derive(Debug)]
pub(crate) struct LineWriter<'q> {
    queue: &'q Queue,
    source: LineSource,
}

impl<'q> MakeWriter<'q> for ToQueue {
    type Writer = LineWriter<'q>;

    fn make_writer(&'q self) -> Self::Writer {
        LineWriter {
            queue: &self.0,
            source: LineSource::Host,
        }
    }

    fn make_writer_for(&'q self, event: &Metadata<'_>) -> Self::Writer {
        let source = if event.target() == GUEST {
            LineSource::Guest
        } else {
            LineSource::Host
        };
        LineWriter {
            queue: &self.0,
            source,
        }
    }
}

impl Write for LineWriter<'_> {
    /// `tracing-subscriber` writes each event as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(self.source, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Writes for which a test waits, one after the other.
    struct Reader {
        takes: mpsc::Receiver<()>,
        taken: mpsc::Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.takes.recv().map_err(io::Error::other)?;
            let text_taken = String::from_utf8_lossy(text).into_owned();
            self.taken.send(text_taken).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Read {
        queue: Arc<Queue>,
        dropped: Counter,
        takes: mpsc::Sender<()>,
        taken: mpsc::Receiver<String>,
    }

    impl Read {
        /// A queue that nobody reads, and whose thread has taken out a first line to write it.
        fn start(max_lines: usize) -> Self {
            let (takes, to_take) = mpsc::channel();
            let (to_read, taken) = mpsc::channel();
            let out = Reader {
                takes: to_take,
                taken: to_read,
            };
            let dropped = Counter::default();
            let max_lines = NonZeroUsize::new(max_lines).unwrap();
            let queue = Queue::start(max_lines, LogFormat::Text, dropped.clone(), out).unwrap();
            let read = Self {
                queue,
                dropped,
                takes,
                taken,
            };
            read.queue.push(LineSource::Host, b"first\n");
            while !read.queue.state.lock().writing {
                thread::yield_now();
            }
            read
        }

        fn push(&self, source: LineSource, lines: impl IntoIterator<Item = String>) {
            for line in lines {
                self.queue.push(source, format!("{line}\n").as_bytes());
            }
        }

        /// Reads until a line with this in it comes.
        fn read_to(&self, last: &str) -> Vec<String> {
            let mut lines: Vec<String> = Vec::new();
            while !lines.last().is_some_and(|line| line.contains(last)) {
                self.takes.send(()).unwrap();
                let text = self.taken.recv_timeout(PATIENCE).expect("more lines");
                lines.extend(text.lines().map(str::to_owned));
            }
            lines
        }
    }

    fn numbered(name: &str, count: usize) -> impl Iterator<Item = String> {
        (0..count).map(move |number| format!("{name} {number}"))
    }

    #[test]
    fn a_reader_that_comes_back_reads_what_was_kept_how_many_were_dropped_and_what_follows() {
        let read = Read::start(100);
        read.push(LineSource::Host, numbered("line", 150));
        assert_eq!(read.dropped.get(), 50);
        // It waits for no other line.
        let kept = read.read_to("50 lines dropped");
        assert_eq!(kept.len(), 102);
        assert_eq!((&*kept[0], &*kept[1]), ("first", "line 0"));
        assert_eq!(kept[100], "line 99");
        read.push(LineSource::Host, ["later".to_owned()]);
        assert_eq!(read.read_to("later"), ["later"]);
    }

    #[test]
    fn guests_leave_room_for_the_host() {
        let read = Read::start(100);
        read.push(LineSource::Guest, numbered("guest", 500));
        assert_eq!(read.dropped.get(), 425);
        read.push(LineSource::Host, numbered("host", 25));
        assert_eq!(read.dropped.get(), 425, "there is room for all of them");
        let lines = read.read_to("host 24");
        assert!(lines[76].contains("425 lines dropped"), "{lines:?}");
        assert_eq!(lines[77], "host 0");
    }

    #[test]
    fn the_bytes_are_bounded_too() {
        let read = Read::start(100);
        read.push(LineSource::Guest, (0..100).map(|_| "x".repeat(16 << 10)));
        let state = read.queue.state.lock();
        assert!(state.lines.len() < 10 && state.bytes < 100 << 10);
        assert_eq!(
            state.bytes,
            state
                .lines
                .iter()
                .map(|line| line.text.len())
                .sum::<usize>()
        );
    }

    #[test]
    fn a_reader_that_is_too_slow_is_not_told_of_every_few_lines() {
        let read = Read::start(1000);
        let mut lines = 0;
        for turn in 0..200 {
            read.push(
                LineSource::Host,
                numbered(
                    "a line of some length, so that few are written at once",
                    100,
                ),
            );
            read.takes.send(()).unwrap();
            let text = read.taken.recv_timeout(PATIENCE).expect("more lines");
            lines += text.lines().filter(|line| line.contains("dropped")).count();
            assert!(lines <= 1 + turn / 8, "{lines} after {turn}");
        }
        assert!(lines > 0);
    }

    #[test]
    fn a_flush_waits_until_all_is_written_and_not_for_ever() {
        let read = Read::start(1);
        let started = Instant::now();
        read.queue.flush(Duration::from_millis(50));
        assert!(started.elapsed() >= Duration::from_millis(50));
        read.push(LineSource::Host, numbered("line", 5));
        read.queue.push_last(b"last\n");
        let queue = read.queue.clone();
        let flushed = thread::spawn(move || {
            queue.flush(PATIENCE);
            queue.state.lock().lines.len()
        });
        read.read_to("last");
        assert_eq!(flushed.join().unwrap(), 0);
    }
}
