//! Panics of the host, as lines of the log.

use std::backtrace::Backtrace;
use std::env;
use std::panic::{self, PanicHookInfo};
use std::thread;

use spindrift_failures::Excerpt;

/// Has every panic of this process logged as an error. The hook of the standard library writes to standard error itself, and
/// would wait with a panicking request until somebody reads that.
pub(crate) fn log_panics() {
    // As the standard library has it. A backtrace of a release build takes milliseconds to make.
    let backtraces = env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    panic::set_hook(Box::new(move |panic| log_panic(panic, backtraces)));
}

fn log_panic(panic: &PanicHookInfo<'_>, backtraces: bool) {
    let message = panic.payload_as_str().unwrap_or("a value that is no text");
    let thread = thread::current();
    let thread = thread.name().unwrap_or("<unnamed>");
    let location = panic.location().map(tracing::field::display);
    let backtrace = backtraces.then(|| tracing::field::display(Backtrace::force_capture()));
    tracing::error!(
        thread,
        location,
        backtrace,
        "the host panicked: {}",
        Excerpt(message)
    );
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::num::NonZeroUsize;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use serde_json::Value;
    use tokio::net::unix::pipe;

    use super::*;
    use crate::logging::{self, LogFormat, LogOptions};

    /// The test below, without the crate's name.
    const CHILD: &str = "logging::panics::tests::child";

    /// The hook and the log are those of a whole process.
    #[test]
    #[ignore = "only run by the tests of panics"]
    fn child() {
        let options = LogOptions {
            format: LogFormat::Json,
            filter: "info".into(),
            quiet: false,
        };
        logging::init_queued(&options, NonZeroUsize::MAX).expect("a log");
        let panicking = thread::Builder::new().name("unlucky".into());
        let panicking = panicking.spawn(|| panic!("a\nb{}", "c".repeat(5000)));
        panicking.expect("a thread").join().expect_err("a panic");
        logging::flush();
    }

    fn run(stderr: impl Into<Stdio>, backtrace: &str) -> Child {
        Command::new(env::current_exe().expect("this program"))
            .args(["--exact", CHILD, "--ignored", "--nocapture"])
            .env("RUST_BACKTRACE", backtrace)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("a process")
    }

    #[test]
    fn a_panic_is_one_line() {
        for backtrace in ["0", "1"] {
            let output = run(Stdio::piped(), backtrace).wait_with_output();
            let output = output.expect("its output");
            let text = String::from_utf8(output.stderr).expect("text");
            assert!(output.status.success(), "{text}");
            let line: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(line["level"], "ERROR");
            assert_eq!(line["thread"], "unlucky");
            let message = line["message"].as_str().expect("a message");
            assert!(message.starts_with("the host panicked: a\\nbccc"), "{text}");
            assert!(message.len() < 600, "{text}");
            let location = line["location"].as_str().expect("a location");
            assert!(location.contains("panics.rs:"), "{location}");
            assert_eq!(line["backtrace"].is_string(), backtrace == "1", "{text}");
        }
    }

    #[tokio::test]
    async fn a_panic_waits_for_no_reader() {
        let (writer, _reader) = pipe::pipe().expect("a pipe");
        let mut full = File::from(writer.into_nonblocking_fd().expect("its end"));
        while full.write(b"\n").is_ok() {}
        let full = pipe::Sender::from_owned_fd(full.into());
        let stderr = full.and_then(pipe::Sender::into_blocking_fd);
        let stderr = stderr.expect("a pipe that blocks");
        let mut child = run(stderr, "0");
        let deadline = Instant::now() + Duration::from_secs(20);
        let ended = loop {
            if let Some(status) = child.try_wait().expect("its state") {
                break Some(status);
            }
            if Instant::now() > deadline {
                break None;
            }
            thread::sleep(Duration::from_millis(10));
        };
        if ended.is_none() {
            child.kill().expect("it is there");
            child.wait().expect("its end");
        }
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }
}
