//! `docs/upstream/no-pause-before-a-stream.md`: a stream that cannot be opened is opened again without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openraft_reports::peers::{Peers, unreachable};
use openraft_reports::store::Log;
use openraft_reports::{lead, start};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Far more than a second has room for: the default pause is 200 ms.
const MANY: usize = 1000;

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a peer that cannot be reached was tried 1000 times within a second")]
async fn a_peer_that_cannot_be_reached_is_tried_after_a_pause() {
    let many = Arc::new(Notify::new());
    let attempts = Arc::new(AtomicUsize::new(0));
    let peers = Peers::new({
        let (many, attempts) = (many.clone(), attempts.clone());
        move |_requests| {
            if attempts.fetch_add(1, Ordering::Relaxed) + 1 == MANY {
                many.notify_one();
            }
            Err(unreachable())
        }
    });
    let raft = start(peers, Log::default()).await;
    lead(&raft, &[2]).await;
    // The clock stands still for as long as something runs.
    let too_many = timeout(Duration::from_secs(1), many.notified()).await;
    assert!(
        too_many.is_err(),
        "a peer that cannot be reached was tried {MANY} times within a second"
    );
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((1..20).contains(&attempts), "{attempts} attempts");
}
