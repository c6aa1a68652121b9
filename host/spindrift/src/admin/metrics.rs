//! `/metrics`: the gateway's counts, and gauges that are read when asked for.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use spindrift_gateway::{Connections, Service};
use spindrift_memory::{Budget, Purpose};
use spindrift_runtime::Runtime;
use spindrift_store::Backend;

use super::Admin;
use super::replication::ReplicationGauges;
use crate::logging;

/// Everything that `/metrics` shows, under the prefix `spindrift`.
pub fn registry(admin: &Admin) -> Registry {
    let mut registry = Registry::with_prefix("spindrift");
    admin.service.metrics().register(&mut registry);
    logging::register_metrics(&mut registry);
    let memory = admin.backend.stores().memory().clone();
    registry.register_collector(Box::new(MemoryBudget(memory)));
    admin.connections.register(&mut registry);
    registry.register_collector(Box::new(Gauges {
        service: admin.service.clone(),
        runtime: admin.runtime.clone(),
        backend: admin.backend.clone(),
        connections: admin.connections.clone(),
    }));
    if let Some(replication) = &admin.replication {
        let registry = registry.sub_registry_with_prefix("replication");
        replication.metrics().register(registry);
        registry.register_collector(Box::new(ReplicationGauges(replication.clone())));
    }
    registry
}

struct Gauges {
    service: Arc<Service>,
    runtime: Arc<Runtime>,
    backend: Arc<dyn Backend>,
    connections: Arc<Connections>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        gauge(
            &mut encoder,
            "requests_under_way",
            "Requests under way: their bodies are there, and their guests are not done",
            self.service.requests_under_way() as u64,
        )?;
        gauge(
            &mut encoder,
            "arriving_bodies",
            "Request bodies that are waited for",
            self.service.bodies_arriving() as u64,
        )?;
        gauge(
            &mut encoder,
            "connections_open",
            "Connections open on the public port",
            self.connections.count() as u64,
        )?;
        gauge(
            &mut encoder,
            "connections_limit",
            "Connections that may be open on the public port",
            self.connections.limit() as u64,
        )?;
        gauge(
            &mut encoder,
            "instances_idle",
            "Component instances waiting for a request",
            self.runtime.idle_instances() as u64,
        )?;
        let map = self.backend.map();
        gauge(
            &mut encoder,
            "revision",
            "The revision that the last commit got",
            map.applied(),
        )?;
        type OfStore = fn(&spindrift_store::Map, spindrift_store::StoreId) -> u64;
        let of_stores: [(&str, &str, OfStore); 2] = [
            (
                "store_entries",
                "Keys in a store",
                spindrift_store::Map::entries,
            ),
            (
                "store_bytes",
                "What a store counts against its size limit",
                spindrift_store::Map::total_bytes,
            ),
        ];
        for (name, help, value) in of_stores {
            let gauge = ConstGauge::<u64>::new(0);
            let mut encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            for (id, label, _) in self.backend.stores().iter() {
                let labels = [("store", label)];
                ConstGauge::new(value(map, id)).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The budget for what is held for clients.
#[derive(Debug)]
struct MemoryBudget(Arc<Budget>);

impl Collector for MemoryBudget {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        gauge(
            &mut encoder,
            "memory_budget_bytes",
            "Memory that may be held for clients",
            self.0.limit_bytes() as u64,
        )?;
        let gauge = ConstGauge::<u64>::new(0);
        let mut held = encoder.encode_descriptor(
            "memory_held_bytes",
            "Memory that is held for clients, on the budget",
            None,
            gauge.metric_type(),
        )?;
        for purpose in Purpose::ALL {
            let bytes = self.0.used_bytes_for(purpose) as u64;
            ConstGauge::new(bytes).encode(held.encode_family(&labels(purpose))?)?;
        }
        let counter = ConstCounter::<u64>::new(0);
        let mut refused = encoder.encode_descriptor(
            "memory_refused",
            "What was refused because the budget was spent",
            None,
            counter.metric_type(),
        )?;
        for purpose in Purpose::ALL {
            let refusals = self.0.refusals_for(purpose);
            ConstCounter::new(refusals).encode(refused.encode_family(&labels(purpose))?)?;
        }
        Ok(())
    }
}

fn labels(purpose: Purpose) -> [(&'static str, &'static str); 1] {
    [("purpose", purpose.as_str())]
}

/// Writes a gauge without labels.
pub(crate) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
