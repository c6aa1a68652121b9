//! What a process prints, collected line by line while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One output stream of a process.
#[derive(Clone, Default)]
pub struct Output(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    /// Collects `stream` in a thread of its own until it ends.
    pub fn collect(stream: impl Read + Send + 'static) -> Self {
        let output = Output::default();
        let collector = output.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line);
                collector
                    .printed()
                    .lines
                    .push(text.trim_end_matches(['\n', '\r']).into());
                collector.0.1.notify_all();
                line.clear();
            }
            collector.printed().ended = true;
            collector.0.1.notify_all();
        });
        output
    }

    /// Of a process whose output goes elsewhere.
    pub fn none() -> Self {
        Self::collect(std::io::empty())
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.printed().lines.clone()
    }

    /// The first line for which `find` gives something; nothing if the stream ended without one.
    ///
    /// # Panics
    ///
    /// After `patience`, with what was printed instead.
    pub fn wait_for_line<T>(
        &self,
        patience: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut printed = self.printed();
        loop {
            if let Some(found) = printed.lines.iter().find_map(|line| find(line)) {
                return Some(found);
            }
            if printed.ended {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the line did not come in {patience:?}: {:?}",
                printed.lines
            );
            printed = self
                .0
                .1
                .wait_timeout(printed, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Every line, once the stream has ended.
    ///
    /// # Panics
    ///
    /// After `patience`.
    pub fn wait_for_end(&self, patience: Duration) -> Vec<String> {
        self.wait_for_line(patience, |_| None::<()>);
        self.lines()
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
