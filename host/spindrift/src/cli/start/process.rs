//! [`up`]: what the process needs before it starts, and what comes after serving.

use anyhow::{Context, Result};

use super::open_files::OpenFiles;
use super::sequence;
use crate::cli::huge_pages::avoid_huge_pages;
use crate::cli::replicate::begin_anew;
use crate::cli::{UpArgs, ignored_environment};
use crate::logging;

/// Runs the application until it is told to stop.
///
/// # Errors
///
/// Whatever keeps it from starting. Once it serves, it does not fail.
pub fn up(args: &UpArgs) -> Result<()> {
    logging::init_queued(&args.logs.options(), args.log_limits.log_buffer)?;
    for warning in
        ignored_environment(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    {
        tracing::warn!("{warning}");
    }
    let files = OpenFiles::raise();
    if let Some(warning) = files.falls_short_of(args.limits.max_connections) {
        tracing::warn!("{warning}");
    }
    avoid_huge_pages();
    // For what no request waits for: accepting, signals, cleaning up.
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no threads could be started")?;
    threads.spawn(spindrift_failures::FAILURES.report());
    threads.spawn(spindrift_memory::while_idle());
    let result = threads.block_on(sequence::run(args, files));
    spindrift_failures::FAILURES.end();
    // A guest in an endless loop holds its thread; it must not hold up the exit.
    threads.shutdown_background();
    match result? {
        After::Exit => Ok(()),
        After::BeginAnew { members } => Err(begin_anew(&members)),
    }
}

/// What comes after serving.
pub(super) enum After {
    /// The process is done.
    Exit,
    /// It begins anew, as another node of the cluster that these are members of.
    BeginAnew {
        /// Their addresses.
        members: Vec<String>,
    },
}
