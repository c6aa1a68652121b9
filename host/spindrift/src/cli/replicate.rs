//! The thread on which a node of a replicated store lives, beside those that serve requests.

use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use spindrift_net::event_loop::wake_through_pipe;
use spindrift_replication::{Ended, Faults, Publish, Replicated, Replication, Setup, Stop, Tcp};
use spindrift_store::Stores;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::discover::Discovered;
use super::shutdown::LEAVE_TIMEOUT;
use crate::logging;

/// Set for a process that begins anew: where the members of its cluster are, with commas between them.
const REJOIN: &str = "SPINDRIFT_REJOIN";

/// Where the members of its cluster are, for a process that begins anew.
pub fn former_members() -> Option<Vec<String>> {
    let members = std::env::var_os(REJOIN)?;
    let members = members.to_string_lossy();
    Some(members.split(',').map(str::to_owned).collect())
}

/// A node at work on its thread.
pub struct Node {
    /// The store.
    pub backend: Arc<Replicated>,
    /// What it lets others see of itself.
    pub publish: Arc<dyn Publish>,
    stop: Stop,
    ended: oneshot::Receiver<Result<Ended>>,
}

impl Node {
    /// Starts a node. It joins its cluster, or forms one, while it serves already.
    ///
    /// # Errors
    ///
    /// The options are no use, or the peers' port is taken.
    pub async fn start(
        discovered: Discovered,
        application: String,
        stores: Stores,
    ) -> Result<Self> {
        let setup = Setup {
            options: discovered.options,
            discovery: discovered.discovery,
            application,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stores,
            transport: Arc::new(Tcp),
            faults: Faults::from_environment(),
        };
        let stop = Stop::default();
        let (started, starting) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let told = stop.clone();
        thread::Builder::new()
            .name("replication".into())
            .spawn(move || run(setup, told, started, ending))
            .context("no thread could be started")?;
        let (backend, publish) = starting
            .await
            .map_err(|_| anyhow!("the thread of replication has ended"))??;
        Ok(Self {
            backend,
            publish,
            stop,
            ended,
        })
    }

    /// Has the node hand leadership over once the process is told to stop, and tells the process to stop where the node
    /// ends by itself. Gives what it takes to leave.
    pub fn tie_to(self, shutdown: CancellationToken) -> Leaving {
        let Self { stop, ended, .. } = self;
        let told = stop.clone();
        let stopping = shutdown.clone();
        tokio::spawn(async move {
            stopping.cancelled().await;
            told.hand_over.cancel();
        });
        let ended = tokio::spawn(async move {
            let ended = ended.await;
            shutdown.cancel();
            ended.unwrap_or_else(|_| Err(anyhow!("the thread of replication has ended")))
        });
        Leaving { stop, ended }
    }
}

/// A node that is to leave once its requests are finished.
pub struct Leaving {
    stop: Stop,
    ended: JoinHandle<Result<Ended>>,
}

impl Leaving {
    /// Leaves the cluster.
    ///
    /// # Errors
    ///
    /// Replication has failed.
    pub async fn leave(self) -> Result<Ended> {
        self.stop.leave.cancel();
        match tokio::time::timeout(LEAVE_TIMEOUT, self.ended).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => Ok(Ended::Vanished {
                why: format!(
                    "this node could not leave its cluster within {LEAVE_TIMEOUT:?}, and ends as a member; \
                     `spindrift status` shows the nodes that are left"
                ),
            }),
        }
    }
}

/// What a node shares with those that serve requests: the store, and what it lets others see of itself.
type Shared = (Arc<Replicated>, Arc<dyn Publish>);

fn run(
    setup: Setup,
    stop: Stop,
    started: oneshot::Sender<Result<Shared>>,
    ending: oneshot::Sender<Result<Ended>>,
) {
    // It takes a tenth of a second, which is long for an event loop.
    if let Some(token) = &setup.options.cluster_token
        && let Err(error) = token.derive()
    {
        let error = anyhow!("TLS between nodes cannot be set up from the cluster token: {error}");
        started.send(Err(error)).ok();
        return;
    }
    // One thread, so that what passes from one part of replication to another wakes nobody up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime.context("no event loop could be started") {
        Ok(runtime) => runtime,
        Err(error) => {
            started.send(Err(error)).ok();
            return;
        }
    };
    runtime.block_on(async {
        tokio::spawn(wake_through_pipe());
        tokio::spawn(spindrift_memory::while_idle());
        match Replication::bind(setup).await {
            Ok(replication) => {
                tracing::info!("listening for other nodes on {}", replication.address());
                let shared = (replication.backend(), replication.publish());
                if started.send(Ok(shared)).is_ok() {
                    let ended = replication.run(stop).await;
                    ending.send(ended.map_err(Into::into)).ok();
                }
            }
            Err(error) => {
                started.send(Err(error.into())).ok();
            }
        }
    });
    runtime.shutdown_background();
}

/// Begins anew, as a process that has just been started: what this one knows of its cluster is of the past. It keeps its
/// process id, so whoever watches it does not notice.
pub fn begin_anew(members: &[String]) -> anyhow::Error {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let Ok(path) = std::env::current_exe() else {
        return anyhow!("this program's file cannot be found, so it cannot be started again");
    };
    logging::flush();
    let error = std::process::Command::new(path)
        .arg0(program)
        .args(arguments)
        .env(REJOIN, members.join(","))
        .exec();
    anyhow::Error::new(error).context("this program could not be started again")
}
