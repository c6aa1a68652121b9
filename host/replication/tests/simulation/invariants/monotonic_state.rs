//! Monotonic state: what a process is at never goes back, and an id is never two processes'.

use std::collections::BTreeMap;

use super::{Observed, Violation};

const THEOREM: &str = "monotonic state";

/// Where each process was when it was last seen.
#[derive(Debug, Default)]
pub struct MonotonicState {
    last: BTreeMap<String, Last>,
    owners: BTreeMap<u64, String>,
    cluster: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    revision: u64,
    term: u64,
    node: Option<u64>,
}

impl MonotonicState {
    /// Takes in what a process says of itself.
    pub fn observe(&mut self, seen: &Observed<'_>) -> Result<(), Violation> {
        let (process, published) = (seen.process, &seen.published);
        let last = self.last.entry(process.to_owned()).or_default();
        let violation = |what| Err(Violation::new(THEOREM, what));
        if published.revision < last.revision {
            return violation(format!(
                "{process} was at revision {} and is at {}",
                last.revision, published.revision
            ));
        }
        last.revision = published.revision;
        let Some(node) = published.node else {
            return Ok(());
        };
        if published.term < last.term {
            return violation(format!(
                "{process} was in term {} and is in {}",
                last.term, published.term
            ));
        }
        last.term = published.term;
        if last.node.is_some_and(|last| last != node) {
            return violation(format!("{process} was node {:?} and is {node}", last.node));
        }
        last.node = Some(node);
        let owner = self.owners.entry(node);
        let owner = owner.or_insert_with(|| process.to_owned());
        if owner != process {
            return violation(format!("{owner} and {process} are both node {node}"));
        }
        let cluster = self
            .cluster
            .get_or_insert_with(|| published.cluster.clone().unwrap_or_default());
        if published.cluster.as_ref() != Some(cluster) {
            return violation(format!(
                "{process} is in cluster {:?}, and others are in {cluster}",
                published.cluster
            ));
        }
        Ok(())
    }
}
