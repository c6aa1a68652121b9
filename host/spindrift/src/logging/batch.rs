//! What is written to standard error at once, and what becomes of it where that fails.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::LogFormat;

/// Bytes that are written at once, unless a single line has more. Several processes may share a pipe, and POSIX mixes no writes
/// of up to `PIPE_BUF` bytes, which is 4096 on Linux.
const BYTES: usize = 4096;

/// How long to wait for room where standard error does not wait itself (`O_NONBLOCK`).
const RETRY: Duration = Duration::from_millis(20);

/// Lines that are written at once, one batch after the other.
pub(crate) struct Batch {
    format: LogFormat,
    text: Vec<u8>,
    parts: Vec<Part>,
    /// Lines of earlier batches that could not be written, and why.
    lost: u64,
    error: Option<io::Error>,
    /// Whether the last line that was written lacks its end.
    torn: bool,
}

/// A line in a batch.
struct Part {
    /// Where it ends.
    end: usize,
    /// How many dropped lines it tells of, if it is no line that was logged.
    tells: Option<u64>,
}

impl Batch {
    /// An empty one. It says in this format how many lines were dropped.
    pub(crate) fn new(format: LogFormat) -> Self {
        Self {
            format,
            text: Vec::new(),
            parts: Vec::new(),
            lost: 0,
            error: None,
            torn: false,
        }
    }

    /// Whether this line can be written with those that are there.
    pub(crate) fn takes(&self, line: &[u8]) -> bool {
        self.text.len() + line.len() <= BYTES
    }

    /// Adds a line with its end. [`Batch::add_dropped`] goes before it.
    pub(crate) fn add(&mut self, line: &[u8]) {
        self.extend(line, None);
    }

    /// Adds a line that says how many were dropped: so many, and those that could not be written before. Adds none if there are
    /// neither.
    pub(crate) fn add_dropped(&mut self, dropped: u64) {
        let count = dropped + std::mem::take(&mut self.lost);
        if count > 0 {
            let line = dropped_line(count, self.error.take().as_ref(), self.format);
            self.extend(line.as_bytes(), Some(count));
        }
    }

    fn extend(&mut self, line: &[u8], tells: Option<u64>) {
        if self.text.is_empty() && self.torn {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(line);
        let end = self.text.len();
        self.parts.push(Part { end, tells });
    }

    /// Writes the lines, and is empty then. Gives how many of the lines that were logged could not be written. It may wait
    /// without a bound.
    pub(crate) fn write_to(&mut self, out: &mut impl Write) -> u64 {
        let (written, error) = write(out, &self.text);
        let mut dropped = 0;
        for part in self.parts.drain(..) {
            if part.end > written {
                dropped += u64::from(part.tells.is_none());
                self.lost += part.tells.unwrap_or(1);
            }
        }
        if let Some(last) = written.checked_sub(1) {
            self.torn = self.text[last] != b'\n';
        }
        self.error = error;
        self.text.clear();
        dropped
    }
}

/// Writes, and says how many bytes, and what went wrong then.
fn write(out: &mut impl Write, text: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < text.len() {
        match out.write(&text[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// The line that stands for dropped ones, as `tracing` would write it. It is no event: its place is in front of lines that are
/// in the queue.
fn dropped_line(count: u64, why: Option<&io::Error>, format: LogFormat) -> String {
    let mut time = String::new();
    // A `String` takes all text.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let lines = if count == 1 { "line" } else { "lines" };
    let message = match why {
        Some(error) => {
            format!("{count} {lines} dropped: standard error could not be written to: {error}")
        }
        None => format!("{count} {lines} dropped: standard error was not read in time"),
    };
    match format {
        LogFormat::Text => format!("{time}  WARN {}: {message} count={count}\n", module_path!()),
        LogFormat::Json => {
            let line = serde_json::json!({
                "timestamp": time,
                "level": "WARN",
                "message": message,
                "count": count,
                "target": module_path!(),
            });
            format!("{line}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes of each write, and fails where there are none.
    struct Takes(Vec<io::Result<usize>>, Vec<u8>);

    impl Write for Takes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.0.remove(0)?.min(bytes.len());
            self.1.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn full() -> io::Result<usize> {
        Err(ErrorKind::StorageFull.into())
    }

    fn write_lines(batch: &mut Batch, out: &mut Takes, lines: &[&str]) -> u64 {
        for line in lines {
            batch.add_dropped(0);
            batch.add(line.as_bytes());
        }
        batch.write_to(out)
    }

    #[test]
    fn a_write_that_takes_a_part_is_continued() {
        let not_now = |kind: ErrorKind| Err(kind.into());
        let mut out = Takes(
            vec![
                Ok(2),
                not_now(ErrorKind::WouldBlock),
                not_now(ErrorKind::Interrupted),
                Ok(100),
            ],
            Vec::new(),
        );
        let mut batch = Batch::new(LogFormat::Text);
        assert_eq!(write_lines(&mut batch, &mut out, &["one\n", "two\n"]), 0);
        assert_eq!(out.1, b"one\ntwo\n");
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_told_once_it_takes_something() {
        let mut out = Takes(vec![Ok(6), full(), full(), Ok(1000)], Vec::new());
        let mut batch = Batch::new(LogFormat::Text);
        let lost = write_lines(&mut batch, &mut out, &["one\n", "two\n", "three\n"]);
        assert_eq!(lost, 2);
        // This one is lost, and so is the line that tells of the others. That line does not count: nobody has logged it.
        assert_eq!(write_lines(&mut batch, &mut out, &["four\n"]), 1);
        assert_eq!(write_lines(&mut batch, &mut out, &["five\n"]), 0);
        let text = String::from_utf8(out.1).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!((lines[0], lines[1], lines[3]), ("one", "tw", "five"));
        assert!(
            lines[2].contains("3 lines dropped: standard error could not be written to: "),
            "{text}"
        );
    }

    #[test]
    fn dropped_lines_are_told_in_the_form_of_the_log() {
        let json: serde_json::Value =
            serde_json::from_str(&dropped_line(7, None, LogFormat::Json)).unwrap();
        assert_eq!(
            (&json["level"], &json["count"]),
            (&"WARN".into(), &7.into())
        );
        let message = json["message"].as_str().unwrap();
        assert!(message.starts_with("7 lines dropped"), "{message}");
        let text = dropped_line(1, None, LogFormat::Text);
        assert!(text.contains("Z  WARN spindrift::logging"), "{text}");
        assert!(
            text.contains("1 line dropped") && text.ends_with('\n'),
            "{text}"
        );
    }
}
