//! One limit: at most so many requests in any window of time.

use anyhow::Context;
use spin_sdk::key_value::Store;

/// A limit, and the moments at which it let a request through within the last window. All times are in milliseconds.
pub struct Limit {
    key: String,
    most: usize,
    window: u64,
    /// Oldest first.
    taken: Vec<u64>,
}

impl Limit {
    /// The limit `key` as the store has it. It forgets requests that are older than the window.
    pub async fn read(
        store: &Store,
        key: &str,
        most: u64,
        window: u64,
        now: u64,
    ) -> anyhow::Result<Limit> {
        let value = store.get(key).await?.unwrap_or_default();
        let mut taken = Vec::new();
        for moment in std::str::from_utf8(&value)?.split_whitespace() {
            let moment: u64 = moment
                .parse()
                .with_context(|| format!("the value of {key} has {moment}, which is not a time"))?;
            if moment + window > now {
                taken.push(moment);
            }
        }
        // The clocks of several nodes differ a little.
        taken.sort_unstable();
        Ok(Limit {
            key: key.into(),
            most: most.try_into()?,
            window,
            taken,
        })
    }

    /// How many more requests it lets through now.
    pub fn left(&self) -> usize {
        self.most.saturating_sub(self.taken.len())
    }

    /// How long until it lets one more request through; 0 if it does so now.
    pub fn wait(&self, now: u64) -> u64 {
        match self.taken.len().checked_sub(self.most) {
            // `excess` requests and one more have to leave the window.
            Some(excess) => (self.taken[excess] + self.window).saturating_sub(now),
            None => 0,
        }
    }

    /// Counts one request.
    pub async fn take(&mut self, store: &Store, now: u64) -> anyhow::Result<()> {
        self.taken.push(now);
        let moments: Vec<String> = self.taken.iter().map(u64::to_string).collect();
        store.set(&self.key, moments.join(" ")).await?;
        Ok(())
    }
}
