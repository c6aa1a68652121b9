//! [`Repeats`]: what happens again and again is said when it begins, and then counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How often something that goes on is said.
const INTERVAL: Duration = Duration::from_secs(10);

/// Things that are known to go on. Beyond it the oldest is forgotten: a peer chooses what it says.
const MAX_KNOWN: usize = 64;

/// What goes on, by its kind.
#[derive(Debug)]
pub struct Repeats<K>(HashMap<K, Repeat>);

#[derive(Debug)]
struct Repeat {
    said: Instant,
    last: Instant,
    /// How often it has happened since it was said.
    untold: u64,
}

impl<K> Default for Repeats<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Repeats<K> {
    /// Notes that it happened. When a line is due, returns how often it happened since the last line.
    pub fn happened(&mut self, what: K) -> Option<u64> {
        let now = Instant::now();
        if let Some(known) = self.0.get_mut(&what) {
            known.last = now;
            if now - known.said < INTERVAL {
                known.untold += 1;
                return None;
            }
            known.said = now;
            return Some(std::mem::take(&mut known.untold));
        }
        if self.0.len() >= MAX_KNOWN
            && let Some(oldest) = self.0.iter().min_by_key(|(_, known)| known.last)
        {
            let oldest = oldest.0.clone();
            self.0.remove(&oldest);
        }
        let repeat = Repeat {
            said: now,
            last: now,
            untold: 0,
        };
        self.0.insert(what, repeat);
        Some(0)
    }

    /// Returns and forgets the kinds that have stopped, each with its count since the last line. Leaves out those without one.
    pub fn ended(&mut self) -> Vec<(K, u64)> {
        let now = Instant::now();
        let ended = self.0.extract_if(|_, known| now - known.last >= INTERVAL);
        ended
            .map(|(what, known)| (what, known.untold))
            .filter(|(_, untold)| *untold > 0)
            .collect()
    }

    /// Forgets what goes on, which has ended, and says how often it has happened since it was said.
    pub fn end(&mut self) -> u64 {
        let all = self.0.drain();
        all.map(|(_, known)| known.untold).sum()
    }
}

/// What is appended to a line about something that has happened `untold` times since it was said.
#[must_use]
pub fn since_then(untold: u64) -> String {
    match untold {
        0 => String::new(),
        1 => " (and once since this was last said)".to_owned(),
        more => format!(" (and {more} times since this was last said)"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_at_its_beginning_then_counted_and_at_its_end() {
        let mut repeats = Repeats::default();
        let mut said = Vec::new();
        for _ in 0..45 {
            said.extend(repeats.happened("refused"));
            advance(Duration::from_millis(500)).await;
        }
        assert_eq!(said, [0, 19, 19]);
        assert_eq!(repeats.happened("another"), Some(0));
        assert!(repeats.ended().is_empty());
        advance(INTERVAL).await;
        assert_eq!(repeats.ended(), [("refused", 4)]);
        assert_eq!(repeats.happened("refused"), Some(0), "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn no_peer_makes_it_remember_without_bound() {
        let mut repeats = Repeats::default();
        for peer in 0..10_000_u64 {
            repeats.happened(peer);
        }
        assert!(repeats.0.len() <= MAX_KNOWN);
    }
}
