//! The log: `tracing` events to standard error, as text for people or as one JSON object a line, and the lines that guests
//! write.
//!
//! In a node, lines go through a queue ([`init_queued`]): standard error may be a pipe that nobody reads, and nobody waits for
//! that. Panics go there too.
//!
//! What a component writes to its standard output or standard error becomes an event with the target [`GUEST`], the level
//! `info`, and the fields `component` and `stream`; `--quiet`, or `guest=off` in the filter, leaves it out. The runtime
//! holds each component to a rate.
//!
//! Libraries log failures that repeat through `spindrift_failures`, so that a thousand failures of one kind are a few lines.

use std::fs::File;
use std::io::{self, IsTerminal, Write as _};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use clap::ValueEnum;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as Metrics;
use spindrift_runtime::GUEST;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

mod batch;
mod panics;
mod queue;

use queue::{Queue, ToQueue};

/// How long the end of a process may wait for its last lines to be written: maybe nobody reads standard error.
const PATIENCE: Duration = Duration::from_secs(1);

/// The queue in front of standard error, if there is one.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Lines that were not written to standard error.
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, with colours on a terminal.
    #[default]
    Text,
    /// One JSON object a line, fields at its top level.
    Json,
}

/// What [`init`] sets up.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The form.
    pub format: LogFormat,
    /// Which events are logged: a level, or directives as in `RUST_LOG`.
    pub filter: String,
    /// Whether the lines of guests are left out.
    pub quiet: bool,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(
        "{filter:?} is no log filter: {reason}. Write a level such as debug, or directives such as info,spindrift=debug"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: ParseError,
    },
    /// The filter is one word that is no level.
    #[error(
        "{0:?} is no log level: there are error, warn, info, debug, trace and off. To log all of a target, write {0}=trace"
    )]
    Level(String),
    /// The process has a log already.
    #[error("the log is set up twice: {0}")]
    Twice(TryInitError),
    /// The system gives no thread or no second handle of standard error.
    #[error("the log could not be set up: {0}")]
    System(io::Error),
}

impl From<TryInitError> for LogError {
    fn from(error: TryInitError) -> Self {
        Self::Twice(error)
    }
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Starts logging to standard error, for the whole process. Colours are used on a terminal unless `NO_COLOR` is set. Those that
/// log wait until their lines are written.
///
/// # Errors
///
/// A malformed filter, or a second call.
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    subscriber(options, colours(), io::stderr)?.try_init()?;
    Ok(())
}

/// As [`init`], but nobody waits: a queue holds so many lines, with a KiB of room for each, while standard error is not read. What
/// finds no room is dropped, and counted. Panics of the process are logged, too. At its end, the process calls [`flush`].
///
/// # Errors
///
/// Those of [`init`], and what the system refuses.
pub fn init_queued(options: &LogOptions, max_lines: NonZeroUsize) -> Result<(), LogError> {
    // Not the handle of the standard library, which is locked while a write waits.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Queue::start(max_lines, options.format, DROPPED.clone(), out)?;
    subscriber(options, colours(), ToQueue(queue.clone()))?.try_init()?;
    let _ = QUEUE.set(queue);
    panics::log_panics();
    Ok(())
}

/// Says something on standard error that is no event, in its order among the lines of the log. That nobody reads it is no error.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    match QUEUE.get() {
        Some(queue) => queue.push_last(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits until all that has been logged is written, but no longer than a second.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(PATIENCE);
    }
}

/// Calls [`flush`] when it is dropped, which a panic does, too.
#[derive(Debug)]
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// Names the counts of lines that are missing in the log.
pub(crate) fn register_metrics(metrics: &mut Metrics) {
    metrics.register(
        "log_lines_dropped",
        "Lines of the log that were dropped because standard error was not read in time, or could not be written to",
        DROPPED.clone(),
    );
    spindrift_runtime::register_guest_log_metrics(metrics);
}

fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether `filter` can be used.
pub(crate) fn check_filter(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(drop)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    // A lone word that is no level would be taken for a target, and `--log-level warning` would silence everything else.
    let is_word = !filter.is_empty() && filter.chars().all(|c| c.is_ascii_alphanumeric());
    if is_word && filter.parse::<LevelFilter>().is_err() && ![GUEST, "spindrift"].contains(&filter)
    {
        return Err(LogError::Level(filter.to_owned()));
    }
    // openraft tells every step of every election, and rustls what each client does wrong. The management interface of
    // openraft calls it an error when a change of the membership has to wait for another one; its caller is told, and tries
    // again. Own directives bring that back.
    let quiet = [
        "openraft=error",
        "openraft::raft::api::management=off",
        "rustls=error",
    ];
    let quiet = quiet.into_iter().filter(|directive| {
        let target = directive.split([':', '=']).next().unwrap_or_default();
        !filter.contains(target)
    });
    let quiet = quiet.map(str::to_owned);
    let own = (!filter.is_empty()).then(|| filter.to_owned());
    let directives = quiet.chain(own).collect::<Vec<_>>().join(",");
    EnvFilter::builder()
        .parse(directives)
        .map_err(|reason| LogError::Filter {
            filter: filter.to_owned(),
            reason,
        })
}

fn subscriber<W>(
    options: &LogOptions,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = parse_filter(&options.filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
    };
    // A filter of its own, because a directive added to the other one could not override `guest=debug` in all its forms.
    let quiet = options.quiet;
    let guests =
        tracing_subscriber::filter::filter_fn(move |event| !(quiet && event.target() == GUEST));
    Ok(Registry::default().with(lines).with(filter).with(guests))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Mutex;

    use spindrift_runtime::{GuestLog, Stream};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, quiet: bool, write: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let options = LogOptions {
            format,
            filter: filter.into(),
            quiet,
        };
        let subscriber = subscriber(&options, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, write);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    fn guest(component: &str) -> GuestLog {
        GuestLog::new(component.into(), NonZeroU32::MAX)
    }

    fn events() {
        tracing::debug!("detail");
        tracing::warn!(request = "r1", "trouble");
        assert!(guest("get").line(Stream::Stdout, b"hello"));
        assert!(guest("put").line(Stream::Stderr, b"oh \"no\""));
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_at_the_top() {
        let text = logged(LogFormat::Json, "info", false, events);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0]["level"], "WARN");
        assert_eq!(lines[0]["request"], "r1");
        assert_eq!(lines[0]["message"], "trouble");
        assert!(lines[0]["timestamp"].is_string());
        assert_eq!(lines[1]["target"], "guest");
        assert_eq!(lines[1]["component"], "get");
        assert_eq!(lines[1]["stream"], "stdout");
        assert_eq!(lines[1]["message"], "hello");
        assert_eq!(lines[2]["stream"], "stderr");
        assert_eq!(lines[2]["message"], "oh \"no\"");
    }

    #[test]
    fn text_names_component_and_stream() {
        let text = logged(LogFormat::Text, "debug", false, events);
        assert!(
            text.contains("detail") && text.contains("trouble"),
            "{text}"
        );
        let guest = text.lines().find(|line| line.contains("hello")).unwrap();
        assert!(
            guest.contains("guest")
                && guest.contains("component=\"get\"")
                && guest.contains("stream=\"stdout\""),
            "{guest}"
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn quiet_leaves_out_guests_alone_whatever_the_filter_says() {
        for filter in ["info", "info,guest=trace", "trace"] {
            let text = logged(LogFormat::Text, filter, true, || {
                assert!(!guest("get").is_wanted());
                events();
            });
            assert!(
                text.contains("trouble") && !text.contains("hello") && !text.contains("no"),
                "{filter}: {text}"
            );
        }
    }

    #[test]
    fn a_filter_picks_levels_and_targets() {
        let text = logged(LogFormat::Text, "off,guest=info", false, || {
            assert!(guest("get").is_wanted());
            events();
        });
        assert!(
            text.contains("hello") && !text.contains("trouble"),
            "{text}"
        );
        assert_eq!(logged(LogFormat::Text, "off", false, events), "");
    }

    #[test]
    fn a_malformed_filter_is_quoted() {
        for filter in ["loud", "warning", "spindrift=loud", "a=b=c"] {
            let error = check_filter(filter).unwrap_err().to_string();
            assert!(error.contains(&format!("{filter:?}")), "{error}");
        }
        for filter in [
            "off",
            "WARN",
            "3",
            "spindrift",
            "guest",
            "info,hyper=debug",
            "hyper::proto",
        ] {
            assert!(check_filter(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn libraries_that_say_much_are_quiet_until_they_are_asked() {
        let events = || {
            tracing::warn!(target: "rustls::common_state", "an alert");
            tracing::warn!(target: "openraft::engine", "a vote");
            tracing::error!(target: "openraft::raft::api::management", "a change waits");
        };
        assert_eq!(logged(LogFormat::Text, "debug", false, events), "");
        let text = logged(LogFormat::Text, "info,rustls=warn", false, events);
        assert!(
            text.contains("an alert") && !text.contains("a vote") && !text.contains("a change"),
            "{text}"
        );
        let text = logged(LogFormat::Text, "openraft=error", false, events);
        assert!(text.contains("a change waits"), "{text}");
    }

    #[test]
    fn a_guest_cannot_send_escape_codes_to_the_terminal() {
        let text = logged(LogFormat::Text, "info", false, || {
            guest("get").line(Stream::Stdout, "\u{1b}[2Jgone\u{7}".as_bytes());
        });
        assert!(
            text.contains("gone") && !text.contains('\u{1b}'),
            "{text:?}"
        );
    }
}
