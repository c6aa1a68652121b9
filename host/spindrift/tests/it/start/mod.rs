//! Starting: what is refused and in which words, what is printed, what flags and environment do.

mod application;
mod cache;
mod compiled;
mod components;
mod early_answers;
mod errors;
mod flags;
mod listening;
mod manuals;
mod replication;
mod routes;
mod spinkube;
mod stores;
mod tls;
mod variables;
mod version_1;

use crate::harness::{HostCommand, Refusal};

/// The refusal of an application or a configuration, which ends with 1 and an error on standard error.
fn refusal(command: HostCommand) -> Refusal {
    let refusal = command.refuse();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    assert!(refusal.stderr.contains("Error: "), "{refusal:?}");
    assert!(!refusal.stderr.contains("panicked"), "{refusal:?}");
    refusal
}

/// Checks that the refusal has all of `parts` in it.
fn assert_refused(command: HostCommand, parts: &[&str]) {
    let refusal = refusal(command);
    for part in parts {
        assert!(
            refusal.stderr.contains(part),
            "no {part:?} in:\n{}",
            refusal.stderr
        );
    }
}
