//! [`LogArgs`]: the form of the log and how much of it there is.

use clap::Args;

use crate::logging::{self, LogFormat, LogOptions};

/// What is logged and how. Everything goes to standard error.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// `text` for people, `json` for one object a line
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "SPINDRIFT_LOG_FORMAT",
        default_value_t
    )]
    pub log_format: LogFormat,

    /// Least level that is logged (error, warn, info, debug, trace, off), or a filter such as `info,spindrift::gateway=debug`
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info", value_parser = parse_filter)]
    pub log_level: String,

    /// Leave out what components write to their standard output and standard error
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

fn parse_filter(text: &str) -> Result<String, String> {
    // An empty RUST_LOG means what an absent one does.
    let text = if text.trim().is_empty() { "info" } else { text };
    logging::check_filter(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
