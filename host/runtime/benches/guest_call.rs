//! What a guest call costs: the `get` component on a key that exists, at three
//! depths, so that each layer's cost has a name. It runs what
//! `scripts/run.sh` builds, so build the components first.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method};
use spindrift_app::{self as app, VariableValues};
use spindrift_runtime::{
    Handler, HeldRequest, InstanceOptions, RequestScope, Runtime, RuntimeOptions, SideEffects,
    guest_headers,
};
use spindrift_store::{Backend, Consistency, Local, StoreLimits, Stores, Transaction};
use spindrift_values::Range;
use tokio_util::task::TaskTracker;

const TIMEOUT: Duration = Duration::from_secs(30);

struct Bench {
    backend: Arc<dyn Backend>,
    get: Arc<Handler>,
    put: Arc<Handler>,
}

impl Bench {
    fn new(max_reuse_count: usize) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let application = app::load(&root, &[]).expect("spin.toml");
        let stores = BTreeMap::from([("default".to_owned(), StoreLimits::default())]);
        let backend: Arc<dyn Backend> = Arc::new(Local::new(Stores::new(stores)));
        let values = VariableValues::new::<&str>(&[], []).expect("no variables");
        let variables = values
            .resolve(&application)
            .expect("no variables are required");
        let options = RuntimeOptions {
            max_instances: 16,
            instances: InstanceOptions {
                max_reuse_count: Range::Value(max_reuse_count),
                idle_timeout: Range::Value(TIMEOUT),
                max_memory_bytes: 64 << 20,
            },
            cache_dir: None,
            compiled_dir: None,
            environment: Vec::new(),
            guest_log_rate: NonZeroU32::MAX,
        };
        let tasks = TaskTracker::new();
        let runtime = Runtime::new(
            &application,
            &variables,
            backend.stores(),
            tasks,
            &options,
            &|_| {},
        )
        .expect("components: scripts/run.sh builds them");
        let handler = |id: &str| {
            let index = application.components.iter().position(|c| c.id == id);
            let index = index.expect("a component of spin.toml");
            runtime.handler(index).expect("it is compiled").clone()
        };
        Bench {
            backend,
            get: handler("get"),
            put: handler("put"),
        }
    }

    async fn call(&self, handler: &Arc<Handler>, request: &HeldRequest, commit: bool) {
        let transaction = Transaction::new(self.backend.clone(), Consistency::Linearizable);
        let scope = RequestScope {
            transaction: transaction.clone(),
            side_effects: SideEffects::default(),
            depth: 0,
        };
        let answer = handler
            .run(request, scope, TIMEOUT)
            .await
            .expect("an answer");
        assert_eq!(answer.head.status, 200);
        if commit {
            transaction.commit().await.expect("nobody else writes");
        } else {
            transaction.abandon();
        }
    }
}

fn request(method: Method, path: &'static str, body: &'static str) -> HeldRequest {
    HeldRequest {
        method,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("localhost"),
        path_and_query: PathAndQuery::from_static(path),
        headers: guest_headers(HeaderMap::new()),
        body: Bytes::from_static(body.as_bytes()),
        depth: 0,
    }
}

fn guest_call(criterion: &mut Criterion) {
    let threads = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop");
    let put = request(Method::PUT, "/put", r#"{"key":"k","value":"0123456789"}"#);
    let get = request(Method::GET, "/get/k", "");
    let mut group = criterion.benchmark_group("guest call");
    for (name, reuse) in [("fresh instance", 1), ("reused instance", usize::MAX)] {
        let bench = threads.block_on(async { Bench::new(reuse) });
        threads.block_on(bench.call(&bench.put, &put, true));
        group.bench_function(format!("get, {name}"), |b| {
            b.iter(|| threads.block_on(bench.call(&bench.get, &get, false)));
        });
        group.bench_function(format!("get and commit, {name}"), |b| {
            b.iter(|| threads.block_on(bench.call(&bench.get, &get, true)));
        });
        group.bench_function(format!("put and commit, {name}"), |b| {
            b.iter(|| threads.block_on(bench.call(&bench.put, &put, true)));
        });
    }
    group.finish();
}

criterion_group!(benches, guest_call);
criterion_main!(benches);
