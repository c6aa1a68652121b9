//! What the gateway counts. Reading the counts is `admin`'s business.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use spindrift_app::Application;

use super::concurrency::Concurrency;
use super::problem::Problem;
use super::readers::Readers;
use super::streams::Streams;

/// Who answered, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    component: String,
    /// The first digit of the status: `2xx`.
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: String,
}

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What one component's requests add to: found once, so that a request costs
/// no look-up.
struct ComponentMetrics {
    requests: [Counter; STATUS_CLASSES.len()],
    duration: Histogram,
}

/// The gateway's counts since the start.
pub struct GatewayMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<ComponentLabels, Histogram, fn() -> Histogram>,
    components: Box<[ComponentMetrics]>,
    /// Commits that were refused because another request came first.
    pub(crate) conflicts: Counter,
    /// Requests that wait for a place among those that are under way.
    waiting: Gauge,
    /// Requests refused because as many as allowed were under way.
    busy: Counter,
    /// Requests whose bodies arrived too slowly.
    slow_bodies: Counter,
    /// Requests refused because as many bodies as allowed arrived.
    busy_bodies: Counter,
    /// Clients cut off because they read too slowly.
    slow_readers: Counter,
    given_up: Counter,
    /// Streamed answers cut off because too many clients did not read.
    evicted_streams: Counter,
}

impl GatewayMetrics {
    /// Counts for each of the application's components.
    pub(crate) fn new(
        application: &Application,
        readers: &Readers,
        streams: &Streams,
        concurrency: &Concurrency,
    ) -> Arc<Self> {
        let requests = Family::<RequestLabels, Counter>::default();
        // From 50 µs, about a guest call, to 26 s, about the longest request.
        let duration =
            Family::<ComponentLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_05, 2.0, 20))
            });
        let components = application
            .components
            .iter()
            .map(|component| ComponentMetrics {
                requests: STATUS_CLASSES.map(|status| {
                    let component = component.id.clone();
                    requests
                        .get_or_create(&RequestLabels { component, status })
                        .clone()
                }),
                duration: duration
                    .get_or_create(&ComponentLabels {
                        component: component.id.clone(),
                    })
                    .clone(),
            })
            .collect();
        Arc::new(GatewayMetrics {
            requests,
            duration,
            components,
            conflicts: Counter::default(),
            waiting: concurrency.waits.clone(),
            busy: concurrency.refused.clone(),
            slow_bodies: Counter::default(),
            busy_bodies: Counter::default(),
            slow_readers: readers.too_slow().clone(),
            given_up: readers.given_up().clone(),
            evicted_streams: streams.evicted().clone(),
        })
    }

    /// Counts a body that is not waited for, or not taken.
    pub(crate) fn refused_body(&self, problem: &Problem) {
        match problem {
            Problem::BodyTooSlow { .. } | Problem::BodyTimeout(_) => self.slow_bodies.inc(),
            Problem::TooManyBodies { .. } => self.busy_bodies.inc(),
            _ => return,
        };
    }

    /// Counts an answer of the component at `index`.
    pub(crate) fn answered(&self, index: usize, status: StatusCode, took: Duration) {
        if let Some(component) = self.components.get(index) {
            let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES.len()) - 1;
            component.requests[class].inc();
            component.duration.observe(took.as_secs_f64());
        }
    }

    /// Names the counts.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests answered by a component, or for it",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From the request's head to its answer, held body and commit included",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "conflicts",
            "Commits refused because another request changed the same keys first",
            self.conflicts.clone(),
        );
        registry.register(
            "requests_waiting",
            "Requests that wait for a place, because as many as allowed are under way",
            self.waiting.clone(),
        );
        registry.register(
            "refused_busy",
            "Requests refused because as many as allowed were under way, and stayed so",
            self.busy.clone(),
        );
        registry.register(
            "refused_slow_bodies",
            "Requests refused because their bodies arrived too slowly",
            self.slow_bodies.clone(),
        );
        registry.register(
            "refused_bodies",
            "Requests refused because as many bodies as allowed arrived",
            self.busy_bodies.clone(),
        );
        registry.register(
            "cut_slow_readers",
            "Connections, and streams of HTTP/2, cut off because the client read an answer too slowly",
            self.slow_readers.clone(),
        );
        registry.register(
            "answers_given_up",
            "Answers cut off because others needed the memory that they held, and their clients read slowly",
            self.given_up.clone(),
        );
        registry.register(
            "cut_streamed_answers",
            "Streamed answers cut off because too many clients did not read theirs",
            self.evicted_streams.clone(),
        );
    }
}
