//! [`Sabotage`]: what is broken on purpose, so that a run shows that somebody objects.

use std::fmt;
use std::str::FromStr;

use futures::future::join_all;
use spindrift_replication::{Faults, Transport as _};
use spindrift_store::StoreLimits;

use crate::network::{CONNECTIONS_AT_ONCE, SimulatedNetwork};

/// What is broken in a run. Each of them has somebody who is to notice it, see `scenarios.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    Nothing,
    /// Linearizable reads do not ask the leader.
    ReadIndex,
    /// The same, and of all that could notice only the history of the clients is looked at.
    ReadIndexUnseen,
    /// A batch that comes again is applied again, and every batch is sent twice.
    Dedup,
    /// At the end one process stays cut off from the others.
    Healing,
    /// A task panics, of which nobody waits for the end.
    Task,
    /// A process begins more connections at one moment than it has any use for.
    Spin,
    /// A process fails: it is not let in.
    Process,
    /// The store refuses what clients write.
    Answers,
}

impl Sabotage {
    const ALL: [(&'static str, Self); 9] = [
        ("nothing", Self::Nothing),
        ("read-index", Self::ReadIndex),
        ("read-index-unseen", Self::ReadIndexUnseen),
        ("dedup", Self::Dedup),
        ("healing", Self::Healing),
        ("task", Self::Task),
        ("spin", Self::Spin),
        ("process", Self::Process),
        ("answers", Self::Answers),
    ];

    /// Those promises of a node that it breaks.
    pub fn faults(self) -> Faults {
        Faults {
            no_read_index: matches!(self, Self::ReadIndex | Self::ReadIndexUnseen),
            no_dedup: self == Self::Dedup,
        }
    }

    /// The application of a process.
    pub fn application(self, process: &str) -> &'static str {
        match self {
            Self::Process if process == "n2" => "another",
            _ => "simulation",
        }
    }

    /// What the store takes.
    pub fn limits(self) -> StoreLimits {
        let usual = StoreLimits::default();
        match self {
            Self::Answers => StoreLimits {
                max_key_bytes: 1,
                ..usual
            },
            _ => usual,
        }
    }

    /// What each process does beside its work.
    pub async fn act(self) {
        match self {
            Self::Task => panic!("on purpose"),
            Self::Spin => {
                let connections =
                    (0..=CONNECTIONS_AT_ONCE).map(|_| SimulatedNetwork.connect("n1:1"));
                join_all(connections).await;
            }
            _ => {}
        }
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::ALL.iter().find(|(_, sabotage)| sabotage == self);
        f.write_str(names.map_or("", |(name, _)| name))
    }
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, sabotage)| *sabotage).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            format!("there is {}", names.join(", "))
        })
    }
}
