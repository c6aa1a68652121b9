//! Election safety: at most one node leads in a term.

use std::collections::BTreeMap;

use spindrift_replication::Role;

use super::{Observed, Violation};

const THEOREM: &str = "election safety";

/// Who has led, by term.
#[derive(Debug, Default)]
pub struct ElectionSafety(BTreeMap<u64, u64>);

impl ElectionSafety {
    /// Takes in what a process says of itself.
    pub fn observe(&mut self, seen: &Observed<'_>) -> Result<(), Violation> {
        let published = &seen.published;
        let Some(node) = published.node.filter(|_| published.role == Role::Leader) else {
            return Ok(());
        };
        let term = published.term;
        let leader = *self.0.entry(term).or_insert(node);
        if leader == node {
            return Ok(());
        }
        let what = format!("nodes {leader} and {node} both lead in term {term}");
        Err(Violation::new(THEOREM, what))
    }

    /// In how many terms somebody has led.
    pub fn terms(&self) -> usize {
        self.0.len()
    }
}
