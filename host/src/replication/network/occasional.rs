//! [`Occasional`]: what is said of an address once in a while, however often there is reason to.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long nothing more is said of an address.
const INTERVAL: Duration = Duration::from_secs(60);

/// Addresses of which something was said lately, at most. Nothing is said of more.
const MAX_ADDRESSES: usize = 256;

/// What was said of which address when.
#[derive(Debug, Default)]
pub struct Occasional(Mutex<HashMap<String, Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    /// How often there was reason to say it again.
    again: u64,
}

impl Occasional {
    /// Writes a warning about an address, unless one was written within a minute.
    pub fn warn(&self, address: &str, warning: impl FnOnce() -> String) {
        match self.due(address) {
            Some(0) => tracing::warn!("{}", warning()),
            Some(again) => {
                tracing::warn!("{} ({again} times more since the last time)", warning());
            }
            None => tracing::debug!("{}", warning()),
        }
    }

    /// Whether it is time to say something of an address, and how often it was not since the last time.
    pub(super) fn due(&self, address: &str) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.0.lock();
        if let Some(said) = said.get_mut(address) {
            if now - said.at < INTERVAL {
                said.again += 1;
                return None;
            }
            said.at = now;
            return Some(std::mem::take(&mut said.again));
        }
        if said.len() >= MAX_ADDRESSES {
            said.retain(|_, said| now - said.at < INTERVAL);
            if said.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        said.insert(address.to_owned(), Said { at: now, again: 0 });
        Some(0)
    }
}
