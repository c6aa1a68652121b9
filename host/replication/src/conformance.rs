//! openraft's own tests of what it expects of a log and a state machine.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use spindrift_store::{Map, StoreLimits, Stores};

use super::faults::Faults;
use super::log::Log;
use super::metrics::ReplicationMetrics;
use super::state_machine::StateMachine;
use super::types::TypeConfig;

struct Empty;

impl StoreBuilder<TypeConfig, Log, StateMachine> for Empty {
    async fn build(&self) -> Result<((), Log, StateMachine), StorageError<TypeConfig>> {
        let stores = Stores::new([("default".to_owned(), StoreLimits::default())].into());
        let map = Arc::new(Map::new(stores));
        let metrics = ReplicationMetrics::default();
        let (machine, _applied) = StateMachine::new(map, metrics, Faults::default());
        Ok(((), Log::default(), machine))
    }
}

#[tokio::test]
async fn log_and_state_machine_are_what_openraft_expects() {
    Suite::test_all(Empty).await.unwrap();
}
