//! What goes wrong out of the clients' sight: tasks that panic, which Tokio catches so that the run would go on without
//! them, and tasks that do the same again and again while no time passes.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static NOTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// What openraft 0.10.0-alpha.37 asserts in builds for debugging only, and does not keep: the stream of a leader that has just
/// been succeeded may build one more request, from a log that is shorter by then. It is cancelled already; in other builds
/// the request has no entries. Nodes refuse the one that would have some.
const KNOWN: &str = "read_log_entries received reversed range";

/// Notes the panics of this thread from now on.
pub fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let what = info.to_string();
            if !what.contains(KNOWN) {
                note(what);
                usual(info);
            }
        }));
    });
    NOTED.set(Some(Vec::new()));
}

/// Notes something else that must not be.
pub fn note(what: String) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(noted) = noted {
            noted.push(what);
        }
    });
}

/// What was noted on this thread since it is watched, or since this was asked last.
pub fn take() -> Vec<String> {
    NOTED.with_borrow_mut(|noted| noted.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Lets this thread panic as usual again.
pub fn unwatch() {
    NOTED.set(None);
}
