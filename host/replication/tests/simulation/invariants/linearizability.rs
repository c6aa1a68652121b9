//! Linearizability, as the checker says that judges real processes: it knows nothing of revisions.

use super::Violation;
use crate::checking::checker::check;
use crate::checking::history::History;

const THEOREM: &str = "linearizability";

/// Judges what clients saw. A search that has to be given up tells nothing.
pub fn judge(history: &History) -> Result<(), Violation> {
    let report = check(&history.operations());
    if report.violations.is_empty() {
        return Ok(());
    }
    Err(Violation::new(THEOREM, report.to_string()))
}
