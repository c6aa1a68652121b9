//! [`LogArgs`]: what is logged and how. [`LogLimitArgs`]: how much of it there may be.

use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;

use clap::Args;

use crate::logging::{self, LogFormat, LogOptions};

/// What is logged and how. Everything goes to standard error.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Form of the log: `text` for people, `json` for one object a line
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "SPINDRIFT_LOG_FORMAT",
        default_value_t
    )]
    pub log_format: LogFormat,

    /// Least level to log (error, warn, info, debug, trace, off), or a filter such as `info,spindrift_gateway=debug`
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info", value_parser = parse_filter)]
    pub log_level: String,

    /// Leave out the output of components: their standard output and standard error
    #[arg(short, long, aliases = ["sh", "shush"])]
    pub quiet: bool,
}

impl LogArgs {
    /// What [`logging::init`] takes.
    pub fn options(&self) -> LogOptions {
        LogOptions {
            format: self.log_format,
            filter: self.log_level.clone(),
            quiet: self.quiet,
        }
    }
}

/// How much of the log there may be in a process that serves.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogLimitArgs {
    /// Number of lines that each component may log a second, and twice as many at once. Each KiB of a line counts as one. The
    /// host drops the others. The log and `/metrics` say how many
    #[arg(long, value_name = "LINES", env = "SPINDRIFT_GUEST_LOG_RATE", default_value = "1000", value_parser = parse_number::<NonZeroU32>)]
    pub guest_log_rate: NonZeroU32,

    /// Number of lines that the host keeps while nobody reads standard error, with a KiB of memory for each. It drops the
    /// others, first those of components. No request and no shutdown waits for the log. The log and `/metrics` say how many
    /// lines are missing
    #[arg(long, value_name = "LINES", env = "SPINDRIFT_LOG_BUFFER", default_value = "2000", value_parser = parse_number::<NonZeroUsize>)]
    pub log_buffer: NonZeroUsize,
}

fn parse_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not a number of lines: write a whole number of at least 1")
    })
}

fn parse_filter(text: &str) -> Result<String, String> {
    // An empty RUST_LOG means what an absent one does.
    let text = if text.trim().is_empty() { "info" } else { text };
    logging::check_filter(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
