//! [`Process`]: one process of a run, as it would be on a machine of its own: replication, and clients at its store.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use spindrift_discovery::Discovery;
use spindrift_replication::{
    ClusterToken, Ended, Publish, Published, Replicated, Replication, ReplicationOptions, Setup,
    Stop,
};
use spindrift_store::{Backend, StoreId, StoreLimits, Stores};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clients::{self, KEYS, Load, key_name, number_of};
use crate::invariants::{Contents, Observed};
use crate::network::SimulatedNetwork;
use crate::sabotage::Sabotage;

/// The port of each process.
pub const PORT: u16 = 7000;

/// The store that clients use.
pub const STORE: StoreId = StoreId::new(0);

/// Election time-outs where all processes have the same: the default.
pub const SAME: &[Duration] = &[Duration::from_millis(300)];

/// Election time-outs as in a rolling update that changes them: a leader may have a longer one than a majority.
pub const MIXED: &[Duration] = &[
    Duration::from_millis(300),
    Duration::from_secs(4),
    Duration::from_millis(300),
];

/// How processes of one run are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many nodes vote.
    pub voters: usize,
    /// Whether a leader trusts its lease.
    pub read_lease: bool,
    /// Log entries after which there is a snapshot.
    pub snapshot_after: u64,
    /// How long a node may be silent.
    pub evict_after: Duration,
    /// The election time-outs that processes are given, by their number.
    pub election_timeouts: &'static [Duration],
    /// What is broken on purpose.
    pub sabotage: Sabotage,
}

/// One process. Clones are the same one.
#[derive(Clone)]
pub struct Process {
    /// Its host's name.
    pub name: String,
    state: Rc<State>,
}

/// What all processes know. What follows from it takes long to compute, and is computed once.
static TOKEN: LazyLock<ClusterToken> = LazyLock::new(|| {
    ClusterToken::parse(b"known-to-all-nodes-of-the-simulation").expect("a token")
});

/// What a process lets others do and see.
type Node = (Arc<Replicated>, Arc<dyn Publish>);

/// Something that a test has a process do.
type Errand = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct State {
    stop: Stop,
    node: RefCell<Option<Node>>,
    errands: RefCell<Option<mpsc::UnboundedSender<Errand>>>,
    ended: RefCell<Option<Result<Ended, String>>>,
    killed: Cell<bool>,
    seen_revision: Cell<Option<u64>>,
}

impl Process {
    /// A process on the host `name` that does not run yet.
    pub fn new(name: String) -> Self {
        Self {
            name,
            state: Rc::default(),
        }
    }

    /// What runs on its host: joins the processes that `discovery` knows, or forms a cluster if it is told to.
    pub async fn run(self, settings: Settings, discovery: Arc<dyn Discovery>, load: Load) {
        let sabotage = settings.sabotage;
        let options = ReplicationOptions {
            voters: settings.voters,
            read_lease: settings.read_lease,
            snapshot_after: settings.snapshot_after,
            max_log_bytes: 64 << 10,
            peer_listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
            advertise: Some(address(&self.name)),
            cluster_token: Some(TOKEN.clone()),
            evict_after: settings.evict_after,
            leader_wait: Duration::from_millis(1500),
            election_timeout: self.election_timeout(settings.election_timeouts),
            ..ReplicationOptions::default()
        };
        let setup = Setup {
            options,
            discovery,
            application: sabotage.application(&self.name).into(),
            version: "1".into(),
            stores: Stores::new([("default".into(), self.limits(sabotage))].into())
                .with_max_transaction_bytes(1 << 20),
            transport: Arc::new(SimulatedNetwork),
            faults: sabotage.faults(),
        };
        let ended = self.live(setup, sabotage, load).await;
        self.state.ended.replace(Some(ended));
    }

    /// What its store takes. Each process is configured with a total of its own, and the cluster goes by the least.
    fn limits(&self, sabotage: Sabotage) -> StoreLimits {
        StoreLimits {
            max_total_bytes: self.max_total_bytes(),
            ..sabotage.limits()
        }
    }

    /// The total that it is configured with, in bytes: more than clients ever write.
    pub fn max_total_bytes(&self) -> u64 {
        (1 << 30) + self.number()
    }

    fn election_timeout(&self, timeouts: &[Duration]) -> Duration {
        let place = usize::try_from(self.number()).expect("processes are few");
        timeouts[place % timeouts.len()]
    }

    /// The number in its name.
    fn number(&self) -> u64 {
        let digits = self.name.bytes().filter(u8::is_ascii_digit);
        digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }

    async fn live(&self, setup: Setup, sabotage: Sabotage, load: Load) -> Result<Ended, String> {
        let replication = Replication::bind(setup).await;
        let replication = replication.map_err(|error| error.to_string())?;
        let node = (replication.backend(), replication.publish());
        let mut at_work = JoinSet::new();
        for client in 0..clients::PER_PROCESS {
            let backend = node.0.clone();
            at_work.spawn_local(load.clone().work(self.name.clone(), client, backend));
        }
        at_work.spawn_local(sabotage.act());
        let (errands, mut given) = mpsc::unbounded_channel();
        at_work.spawn_local(async move {
            let mut under_way = JoinSet::new();
            while let Some(errand) = given.recv().await {
                under_way.spawn_local(errand);
            }
        });
        self.state.errands.replace(Some(errands));
        self.state.node.replace(Some(node));
        let ended = replication.run(self.state.stop.clone()).await;
        // What its clients wait for ends with it.
        at_work.shutdown().await;
        ended.map_err(|error| error.to_string())
    }

    /// Has it do something at its store, for which time has to pass.
    pub fn at_store<T: 'static>(
        &self,
        what: impl AsyncFnOnce(Arc<Replicated>) -> T + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        let (node, errands) = (self.state.node.borrow(), self.state.errands.borrow());
        if let (Some((backend, _)), Some(errands)) = (&*node, &*errands) {
            let backend = backend.clone();
            let errand: Errand = Box::pin(async move {
                done.send(what(backend).await).ok();
            });
            errands.send(errand).ok();
        }
        result
    }

    /// Tells it that it is about to stop: to hand over.
    pub fn hand_over(&self) {
        self.state.stop.hand_over.cancel();
    }

    /// Tells it to hand over and leave.
    pub fn leave(&self) {
        self.hand_over();
        self.state.stop.leave.cancel();
    }

    /// Whether it was told that it is about to stop.
    pub fn is_stopping(&self) -> bool {
        self.state.stop.hand_over.is_cancelled()
    }

    /// Whether it was told to leave.
    pub fn is_leaving(&self) -> bool {
        self.state.stop.leave.is_cancelled()
    }

    /// It is killed.
    pub fn note_killed(&self) {
        self.state.killed.set(true);
    }

    /// Whether it runs.
    pub fn lives(&self) -> bool {
        !self.state.killed.get() && self.state.ended.borrow().is_none()
    }

    /// How it ended, if it did by itself.
    pub fn ended(&self) -> Option<Result<Ended, String>> {
        self.state.ended.borrow().clone()
    }

    /// What it publishes; nothing before it runs.
    pub fn published(&self) -> Option<Published> {
        let node = self.state.node.borrow();
        node.as_ref().map(|(_, publish)| publish.published())
    }

    /// What can be seen of it; nothing before it runs. Its map is looked at only where it has changed.
    pub fn observe(&self) -> Option<Observed<'_>> {
        let node = self.state.node.borrow();
        let (backend, publish) = node.as_ref()?;
        let published = publish.published();
        let changed = self.state.seen_revision.replace(Some(published.revision));
        let contents = (changed != Some(published.revision)).then(|| contents(backend));
        Some(Observed {
            process: &self.name,
            published,
            contents,
        })
    }

    /// The total that is in force at it, in bytes; nothing before it runs.
    pub fn limit_in_force(&self) -> Option<u64> {
        let node = self.state.node.borrow();
        let (backend, _) = node.as_ref()?;
        Some(backend.map().max_total_bytes(STORE))
    }

    /// What its map holds; nothing before it runs.
    pub fn contents(&self) -> Option<Contents> {
        let node = self.state.node.borrow();
        node.as_ref().map(|(backend, _)| contents(backend))
    }
}

fn contents(backend: &Replicated) -> Contents {
    let map = backend.map();
    let entries = (0..KEYS).map(|key| {
        let entry = map.get(STORE, &key_name(key))?;
        Some((entry.revision(), number_of(&entry)))
    });
    Contents {
        revision: map.applied(),
        entries: entries.collect(),
        count: map.entries(STORE),
    }
}

/// Where other nodes reach the process on a host.
pub fn address(host: &str) -> String {
    format!("{host}:{PORT}")
}
