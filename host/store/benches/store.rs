//! What the store costs a request: the map's own read and write, and whole transactions on a local store. All of them
//! on 10,000 keys of 16 bytes with values of 100 bytes.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use spindrift_store::{
    Applied, Backend, Commit, Consistency, Local, Map, ReadSet, StoreId, StoreLimits, Stores,
    Transaction, Write,
};

const STORE: StoreId = StoreId::new(0);
const KEYS: usize = 10_000;
const VALUE: [u8; 100] = [7; 100];

fn stores() -> Stores {
    Stores::new([("default".to_owned(), StoreLimits::default())].into())
}

fn keys() -> Vec<String> {
    (0..KEYS)
        .map(|number| format!("key-{number:012}"))
        .collect()
}

fn commit(write: Write) -> Commit {
    Commit {
        reads: ReadSet::default(),
        writes: vec![write],
    }
}

fn fill(map: &Map) {
    for key in keys() {
        let applied = map.apply_next(commit(Write::set(STORE, &key, &VALUE)));
        assert!(matches!(applied, Applied::Committed { .. }));
    }
}

/// The result of a future that a local store never keeps waiting.
fn now<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("a local store answers at once")
}

fn map(criterion: &mut Criterion) {
    let map = Map::new(stores());
    fill(&map);
    let keys = keys();
    let mut group = criterion.benchmark_group("map");
    let mut next = keys.iter().cycle();
    group.bench_function("get", |bencher| {
        bencher.iter(|| map.get(STORE, next.next().expect("endless")));
    });
    group.bench_function("set", |bencher| {
        bencher.iter(|| {
            let key = next.next().expect("endless");
            map.apply_next(commit(Write::set(STORE, key, black_box(&VALUE))))
        });
    });
    group.bench_function("set, 1 MiB", |bencher| {
        let value = vec![7; 1 << 20];
        bencher.iter(|| map.apply_next(commit(Write::set(STORE, "large", black_box(&value)))));
    });
    group.bench_function("snapshot", |bencher| bencher.iter(|| map.snapshot()));
    group.bench_function("set, first after a snapshot", |bencher| {
        bencher.iter_batched(
            || map.snapshot(),
            |snapshot| {
                let key = next.next().expect("endless");
                let applied = map.apply_next(commit(Write::set(STORE, key, &VALUE)));
                (snapshot, applied)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn transaction(criterion: &mut Criterion) {
    let local = Arc::new(Local::new(stores()));
    fill(local.map());
    let backend: Arc<dyn Backend> = local;
    let begin = || Transaction::new(backend.clone(), Consistency::Linearizable);
    let keys = keys();
    let mut next = keys.iter().cycle();
    let mut group = criterion.benchmark_group("transaction");
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let transaction = begin();
            let found = now(transaction.get(STORE, next.next().expect("endless")));
            (found, now(transaction.commit()))
        });
    });
    group.bench_function("put", |bencher| {
        bencher.iter(|| {
            let transaction = begin();
            now(transaction.set(STORE, next.next().expect("endless"), &VALUE)).expect("it fits");
            now(transaction.commit())
        });
    });
    for count in [1, 2, 8, 100] {
        group.bench_function(format!("get {count}"), |bencher| {
            bencher.iter(|| {
                let transaction = begin();
                for _ in 0..count {
                    black_box(now(transaction.get(STORE, next.next().expect("endless"))))
                        .expect("it answers");
                }
                now(transaction.commit())
            });
        });
        group.bench_function(format!("get and put {count}"), |bencher| {
            bencher.iter(|| {
                let transaction = begin();
                for _ in 0..count {
                    let key = next.next().expect("endless");
                    black_box(now(transaction.get(STORE, key))).expect("it answers");
                    now(transaction.set(STORE, key, &VALUE)).expect("it fits");
                }
                now(transaction.commit())
            });
        });
    }
    group.bench_function("exists, delete, and put again", |bencher| {
        bencher.iter(|| {
            let key = next.next().expect("endless");
            let transaction = begin();
            assert!(now(transaction.exists(STORE, key)).expect("it answers"));
            now(transaction.delete(STORE, key)).expect("it fits");
            now(transaction.commit()).expect("nobody else writes");
            let transaction = begin();
            now(transaction.set(STORE, key, &VALUE)).expect("it fits");
            now(transaction.commit())
        });
    });
    group.finish();
}

criterion_group!(benches, map, transaction);
criterion_main!(benches);
