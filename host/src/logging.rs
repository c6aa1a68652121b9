//! The log: `tracing` events to standard error, as text for people or as one JSON object a line, and the lines that guests
//! write.
//!
//! What a component writes to its standard output or standard error becomes an event with the target [`GUEST`], the level
//! `info`, and the fields `component` and `stream`; `--quiet`, or `guest=off` in the filter, leaves it out.
//!
//! Failures that can happen for each request or connection go through `log_failure!`, so that a thousand failures of one kind
//! are a few lines. Text that a client or a guest chooses goes through [`Excerpt`]: it stays short and on one line.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt,
};

mod failures;

pub(crate) use failures::log_failure;
pub use failures::{FAILURES, Failures, Kind};

/// The target of events that are lines of guests.
pub const GUEST: &str = "guest";

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

/// As much of a text that others have chosen as fits a line of the log: control characters are escaped, and what is longer
/// than [`Excerpt::BYTES`] is cut.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a>(pub &'a str);

impl Excerpt<'_> {
    /// The most that is shown, in bytes. Enough for what our own errors say beside what they quote.
    pub const BYTES: usize = 512;
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.floor_char_boundary(Self::BYTES)];
        for c in shown.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// A standard stream of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error(
        "{filter:?} is no log filter: {source}. Write a level such as debug, or directives such as info,spindrift=debug"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The filter is one word that is no level.
    #[error(
        "{0:?} is no log level: there are error, warn, info, debug, trace and off. To log all of a target, write {0}=trace"
    )]
    Level(String),
    /// The process has a log already.
    #[error("the log is set up twice: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to standard error, for the whole process. Colours are used on a terminal unless `NO_COLOR` is set.
///
/// # Errors
///
/// A malformed filter, or a second call.
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    let colours = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    subscriber(options, colours, io::stderr)?.try_init()?;
    Ok(())
}

/// Logs one line of a guest, without its line end. A line of an unwanted level costs next to nothing.
pub fn guest_line(component: &str, stream: Stream, line: &str) {
    tracing::info!(target: GUEST, component, stream = stream.as_str(), "{line}");
}

/// Whether lines of guests are logged at all, so that a caller can spare itself the work of splitting them.
pub fn guest_lines_wanted() -> bool {
    tracing::enabled!(target: GUEST, tracing::Level::INFO)
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
    // openraft tells every step of every election, and rustls what each client does wrong. Own directives bring that back.
    let quiet = ["openraft", "rustls"].into_iter();
    let quiet = quiet.filter(|target| !filter.contains(target));
    let quiet = quiet.map(|target| format!("{target}=error"));
    let own = (!filter.is_empty()).then(|| filter.to_owned());
    let directives = quiet.chain(own).collect::<Vec<_>>().join(",");
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| LogError::Filter {
            filter: filter.to_owned(),
            source,
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
    use std::sync::{Arc, Mutex};

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

    fn events() {
        tracing::debug!("detail");
        tracing::warn!(request = "r1", "trouble");
        guest_line("get", Stream::Stdout, "hello");
        guest_line("put", Stream::Stderr, "oh \"no\"");
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
                assert!(!guest_lines_wanted());
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
            assert!(guest_lines_wanted());
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
    fn an_excerpt_is_one_short_line() {
        for (text, shown) in [
            ("/put", "/put".to_owned()),
            ("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J".to_owned()),
            (&"ü".repeat(256), "ü".repeat(256)),
            (
                &format!("x{}", "ü".repeat(30_000)),
                format!("x{}… (60001 bytes)", "ü".repeat(255)),
            ),
        ] {
            assert_eq!(Excerpt(text).to_string(), shown);
        }
    }

    #[test]
    fn libraries_that_say_much_are_quiet_until_they_are_asked() {
        let events = || {
            tracing::warn!(target: "rustls::common_state", "an alert");
            tracing::warn!(target: "openraft::engine", "a vote");
        };
        assert_eq!(logged(LogFormat::Text, "debug", false, events), "");
        let text = logged(LogFormat::Text, "info,rustls=warn", false, events);
        assert!(
            text.contains("an alert") && !text.contains("a vote"),
            "{text}"
        );
    }

    #[test]
    fn a_guest_cannot_send_escape_codes_to_the_terminal() {
        let text = logged(LogFormat::Text, "info", false, || {
            guest_line("get", Stream::Stdout, "\u{1b}[2Jgone\u{7}")
        });
        assert!(
            text.contains("gone") && !text.contains('\u{1b}'),
            "{text:?}"
        );
    }
}
