//! [`Occasional`]: what is said of a subject once in a while, however often there is reason to. A subject is an address, or an
//! address and what it does.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long nothing more is said of a subject.
const INTERVAL: Duration = Duration::from_secs(60);

/// Subjects of which something was said lately, at most. Nothing is said of more.
const MAX_SUBJECTS: usize = 256;

/// What was said of which subject when.
#[derive(Debug, Default)]
pub struct Occasional(Mutex<HashMap<String, Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    /// How often there was reason to say it again.
    again: u64,
}

impl Occasional {
    /// Writes a warning about a subject, unless one was written within a minute.
    pub fn warn(&self, subject: &str, warning: impl FnOnce() -> String) {
        match self.due(subject) {
            Some(0) => tracing::warn!("{}", warning()),
            Some(again) => {
                tracing::warn!("{} ({again} times more since the last time)", warning());
            }
            None => tracing::debug!("{}", warning()),
        }
    }

    /// Whether it is time to say something of a subject, and how often it was not since the last time.
    pub(super) fn due(&self, subject: &str) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.0.lock();
        if let Some(said) = said.get_mut(subject) {
            if now - said.at < INTERVAL {
                said.again += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.again));
        }
        if said.len() >= MAX_SUBJECTS {
            said.retain(|_, said| now - said.at < INTERVAL);
            if said.len() >= MAX_SUBJECTS {
                return None;
            }
        }
        said.insert(subject.to_owned(), Said { at: now, again: 0 });
        Some(0)
    }
}
