//! Faults that tests switch on, to prove that they would notice: read from `SPINDRIFT_FAULT`, and only in a build with
//! debug assertions.

/// Which of the cluster's promises are broken on purpose. In a release build: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A linearizable read does not ask the leader.
    pub no_read_index: bool,
    /// A batch that comes again is applied again, and every batch is sent twice.
    pub no_dedup: bool,
}

impl Faults {
    /// The faults that the environment asks for.
    #[must_use]
    pub fn from_environment() -> Self {
        if !cfg!(debug_assertions) {
            return Self::default();
        }
        let asked = std::env::var("SPINDRIFT_FAULT").unwrap_or_default();
        let has = |fault| asked.split(',').any(|asked| asked == fault);
        let faults = Self {
            no_read_index: has("no-read-index"),
            no_dedup: has("no-dedup"),
        };
        if faults != Self::default() {
            tracing::warn!("this process breaks its promises on purpose: {faults:?}");
        }
        faults
    }
}
