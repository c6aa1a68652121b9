//! How long stopping may take, in a pod and elsewhere.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::parsing::up;
use crate::cli::shutdown::LEAVE_TIMEOUT;

/// What Kubernetes gives a pod to stop in, unless it is told otherwise. SpinKube cannot tell it.
const GRACE_PERIOD: Duration = Duration::from_secs(30);

fn shutdown(flags: &[&str], in_pod: bool) -> (Duration, Duration) {
    let limits = up(flags).limits;
    let shutdown = limits.shutdown(CancellationToken::new(), in_pod);
    (shutdown.delay, shutdown.patience)
}

#[test]
fn a_pod_stops_within_its_grace_period() {
    let (delay, patience) = shutdown(&[], true);
    assert!(delay > Duration::ZERO);
    assert!(delay + patience + LEAVE_TIMEOUT < GRACE_PERIOD);
}

#[test]
fn flags_win() {
    let seconds = Duration::from_secs;
    assert_eq!(shutdown(&[], false), (Duration::ZERO, seconds(30)));
    for in_pod in [false, true] {
        let flags = ["--shutdown-delay", "1s", "--shutdown-timeout", "2s"];
        assert_eq!(shutdown(&flags, in_pod), (seconds(1), seconds(2)));
    }
}
