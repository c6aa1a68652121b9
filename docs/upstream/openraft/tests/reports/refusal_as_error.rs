//! `docs/upstream/refusal-as-error.md`: a change of the membership that is refused is logged as an error.

use std::fmt;
use std::sync::{Arc, Mutex};

use openraft::ChangeMembers;
use openraft_reports::peers::Peers;
use openraft_reports::store::Log;
use openraft_reports::{lead, start};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Notes events of the level `ERROR`.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl Visit for Errors {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().expect("no panic").push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "logged as errors: [\"the first step error")]
async fn a_refusal_that_is_returned_is_no_error_in_the_log() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    // The peer is silent, so the first membership is never committed in the leader's term.
    let (peers, _streams) = Peers::played();
    let raft = start(peers, Log::default()).await;
    lead(&raft, &[2]).await;

    let first = raft.change_membership(ChangeMembers::AddNodes([(3, ())].into()), false);
    let mut first = std::pin::pin!(first);
    assert!(futures::poll!(&mut first).is_pending());
    let second = raft.change_membership(ChangeMembers::AddNodes([(4, ())].into()), false);
    let refusal = second.await.expect_err("another change is under way");
    assert!(refusal.to_string().contains("undergoing"), "{refusal}");

    let errors = errors.0.lock().expect("no panic").clone();
    assert!(errors.is_empty(), "logged as errors: {errors:?}");
}
