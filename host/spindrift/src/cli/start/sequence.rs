//! The start, step by step, to the end of serving: the ports first, then whatever may take long, in an order in which all that
//! can be wrong is found before it costs much.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use spindrift_app::{Application, ResolvedVariables};
use spindrift_memory::available;
use spindrift_replication::{Ended, Publish, ReplicationOptions};
use spindrift_runtime::Runtime;
use spindrift_store::{Backend, Local, Stores};
use tokio_util::sync::CancellationToken;

use super::announce::announce;
use super::application::load;
use super::memory::Memory;
use super::open_files::OpenFiles;
use super::options::{consistency, runtime_options, stores, variable_values};
use super::ports::Ports;
use super::process::After;
use crate::admin::Admin;
use crate::cli::UpArgs;
use crate::cli::discover::{Discovered, Source, discover, pod};
use crate::cli::replicate::{Leaving, Node, former_members};
use crate::cli::shutdown::stop_on_signal;
use crate::runtime_config::RuntimeConfig;

/// From the first step to the end of serving, in a process that may open so many files.
///
/// # Errors
///
/// Whatever keeps it from starting, and what ends replication.
pub(super) async fn run(args: &UpArgs, files: OpenFiles) -> Result<After> {
    let started = Instant::now();
    // Before anything that may take long. The first process of a container that handles no SIGTERM is not ended by one.
    let shutdown = stop_on_signal()?;
    // What flags and files say wrong takes no time to find.
    let config = RuntimeConfig::load(args.runtime_config_file.as_deref(), &args.store_defaults())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let pod = pod();
    let in_pod = !matches!(pod, Ok(None));
    let replication = match args.replication.options(&config)? {
        Some(options) => Some((options, args.replication.source(pod?)?)),
        None => None,
    };
    let budget = args.limits.memory_budget();
    let memory = Memory {
        available: available(),
        budget_bytes: budget.limit_bytes() as u64,
        max_log_bytes: replication
            .as_ref()
            .map(|(options, _)| options.max_log_bytes),
    };
    if let Some(shortage) = memory.shortage(&config) {
        tracing::warn!("{shortage}");
    }
    let ports = Ports::open(
        args,
        &config,
        budget.clone(),
        in_pod,
        files,
        shutdown.clone(),
    )
    .await?;

    let cache = args.cache();
    let gathering = gather(args, &config, replication, cache.clone(), &ports);
    let Some(gathered) = shutdown.run_until_cancelled(gathering).await else {
        ports.closed().await?;
        return Ok(After::Exit);
    };
    let Gathered {
        mut application,
        variables,
        discovered,
    } = gathered?;
    // Needed until its components are compiled and its files are copied.
    let content = application.take_content();
    let application = Arc::new(application);
    let stores = stores(&config, &memory, budget);
    let store = Store::start(discovered, &application, stores, &shutdown).await?;

    // The node joins its cluster meanwhile.
    ports.health.wait_for("the components are being compiled");
    let compiling = {
        let (application, backend) = (application.clone(), store.backend.clone());
        let health = ports.health.clone();
        let tasks = ports.gateway.tasks().clone();
        let options = runtime_options(args, &config, cache);
        tokio::task::spawn_blocking(move || {
            let tell = |clause: String| health.wait_for(clause);
            Runtime::new(
                &application,
                &variables,
                backend.stores(),
                tasks,
                &options,
                &tell,
            )
        })
    };
    let runtime = match shutdown.run_until_cancelled(compiling).await {
        Some(runtime) => Arc::new(runtime??),
        None => {
            ports.closed().await?;
            return leave(store.leaving).await;
        }
    };
    drop(content);
    let sweeper = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.drop_idle_instances().await })
    };

    let service = ports.gateway.serve(
        application.clone(),
        runtime.clone(),
        store.backend.clone(),
        consistency(&config),
    );
    if let Some(port) = &ports.admin {
        port.report(Admin {
            application: application.clone(),
            runtime: runtime.clone(),
            backend: store.backend,
            replication: store.published.clone(),
            connections: ports.gateway.connections().clone(),
            service: service.clone(),
            started,
            shutdown: shutdown.clone(),
        });
    }
    // Nobody is sent here before there is an answer.
    let published = store.published;
    ports
        .health
        .started(move || published.as_ref()?.published().not_ready);
    announce(args.listen.format, &application, &ports.base).await?;
    ports.closed().await?;
    sweeper.abort();
    runtime.remove_staged_files();
    leave(store.leaving).await
}

/// What is known before anything is compiled and any cluster is joined.
struct Gathered {
    application: Application,
    variables: ResolvedVariables,
    /// Where the other nodes are, if the stores are replicated.
    discovered: Option<Discovered>,
}

/// Gets what comes from elsewhere, and checks it: the application, and who the other nodes are.
async fn gather(
    args: &UpArgs,
    config: &RuntimeConfig,
    replication: Option<(ReplicationOptions, Source)>,
    cache: Option<PathBuf>,
    ports: &Ports,
) -> Result<Gathered> {
    let application = {
        let (args, health) = (args.clone(), ports.health.clone());
        tokio::task::spawn_blocking(move || load(&args, cache, &health)).await??
    };
    let labels = application.components.iter().flat_map(|component| {
        let labels = component.key_value_stores.iter();
        labels.map(|label| (component.id.as_str(), label.as_str()))
    });
    config.stores_for(labels)?;
    let variables = variable_values(args, config)?.resolve(&application)?;
    let discovered = match replication {
        Some((options, source)) => {
            let listens = args.replication.listens(config);
            let former = former_members();
            Some(discover(source, options, listens, former, &ports.health).await?)
        }
        None => None,
    };
    Ok(Gathered {
        application,
        variables,
        discovered,
    })
}

/// The stores, and the node that replicates them, if they are replicated.
struct Store {
    backend: Arc<dyn Backend>,
    published: Option<Arc<dyn Publish>>,
    leaving: Option<Leaving>,
}

impl Store {
    /// Of this process alone, or of a cluster that it begins to join.
    async fn start(
        discovered: Option<Discovered>,
        application: &Application,
        stores: Stores,
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        let Some(discovered) = discovered else {
            return Ok(Self {
                backend: Arc::new(Local::new(stores)),
                published: None,
                leaving: None,
            });
        };
        let node = Node::start(discovered, application.name.clone(), stores).await?;
        Ok(Self {
            backend: node.backend.clone(),
            published: Some(node.publish.clone()),
            leaving: Some(node.tie_to(shutdown.clone())),
        })
    }
}

/// Leaves the cluster, if there is one.
async fn leave(leaving: Option<Leaving>) -> Result<After> {
    let Some(leaving) = leaving else {
        return Ok(After::Exit);
    };
    match leaving.leave().await? {
        Ended::Left => Ok(After::Exit),
        Ended::Vanished { why } => {
            tracing::warn!("{why}");
            Ok(After::Exit)
        }
        Ended::Removed { members } => Ok(After::BeginAnew { members }),
    }
}
