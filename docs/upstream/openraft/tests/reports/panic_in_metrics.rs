//! `docs/upstream/panic-in-metrics.md`: the metrics of a node that has panicked say that it runs.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::Fatal;
use openraft_reports::peers::Peers;
use openraft_reports::store::Log;
use openraft_reports::{lead, start};

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the node has panicked, and its metrics say Ok(())")]
async fn the_metrics_tell_of_a_panic() {
    let (peers, _streams) = Peers::played();
    let log = Log::default();
    let raft = start(peers, log.clone()).await;
    lead(&raft, &[]).await;

    log.break_down();
    let fatal = raft.client_write(1).await;
    assert!(fatal.is_err(), "{fatal:?}");
    let fatal = raft.with_raft_state(|_| ()).await;
    assert!(matches!(fatal, Err(Fatal::Panicked)), "{fatal:?}");

    // Whatever is to be said is said by then.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let state = raft.metrics().borrow_watched().running_state.clone();
    assert!(
        state.is_err(),
        "the node has panicked, and its metrics say {state:?}"
    );
}
