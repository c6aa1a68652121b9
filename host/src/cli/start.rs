//! `spindrift up`: reads everything, puts the parts together, serves, and
//! stops on a signal.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use super::discover::{discover, pod};
use super::huge_pages::avoid_huge_pages;
use super::printable::printable;
use super::replicate::{Node, begin_anew, former_members};
use super::shutdown::stop_on_signal;
use super::{OutputFormat, UpArgs};
use crate::admin::Admin;
use crate::app::{self, AppError, Application, Source, Target, VariableValues};
use crate::gateway::{Gateway, GatewayLimits, Health, Server, TlsFiles};
use crate::logging;
use crate::replication::Ended;
use crate::runtime::{InstanceOptions, Runtime, RuntimeOptions};
use crate::runtime_config::{ReadConsistency, RuntimeConfig, StoreConfig};
use crate::store::{Backend, Consistency, Local, StoreLimits, Stores};

/// Instances that may live beside those that serve a request: a guest may go
/// on after its response.
const SPARE_INSTANCES: usize = 64;

/// Runs the application until it is told to stop.
///
/// # Errors
///
/// Whatever keeps it from starting. Once it serves, it does not fail.
pub fn up(args: &UpArgs) -> Result<()> {
    logging::init(&args.logs.options())?;
    for warning in super::ignored_environment(|name| std::env::var_os(name).is_some()) {
        tracing::warn!("{warning}");
    }
    raise_open_files(args.limits.max_connections);
    avoid_huge_pages();
    // For what no request waits for: accepting, signals, cleaning up.
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no threads could be started")?;
    let result = threads.block_on(run(args));
    // A guest in an endless loop holds its thread; it must not hold up the exit.
    threads.shutdown_background();
    match result? {
        After::Exit => Ok(()),
        After::BeginAnew { members } => Err(begin_anew(&members)),
    }
}

/// Each connection is an open file, and the usual limit is far below what a
/// server may have.
fn raise_open_files(connections: usize) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < connections as u64 => tracing::warn!(
            "this process may open {limit} files, so --max-connections {connections} cannot be \
             reached; raise the limit of open files (ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!("the limit of open files could not be raised: {error}"),
    }
}

/// From finding the application to the end of serving it.
async fn run(args: &UpArgs) -> Result<After> {
    // Before anything that may take long. The first process of a container that handles no SIGTERM is not ended by one.
    let shutdown = stop_on_signal()?;
    let cache = args.cache();
    let loading = {
        let (args, cache) = (args.clone(), cache.clone());
        tokio::task::spawn_blocking(move || load(&args, cache))
    };
    match shutdown.run_until_cancelled(loading).await {
        Some(application) => serve(args, application??, cache, shutdown).await,
        None => Ok(After::Exit),
    }
}

/// The application, from its registry or its folder, built.
fn load(args: &UpArgs, cache: Option<PathBuf>) -> Result<Application> {
    let source = args.application();
    let application = app::load(&source, &args.load_options(cache)).map_err(for_a_terminal)?;
    for warning in &application.warnings {
        tracing::warn!("{warning}");
    }
    // What comes from a registry is built already, so there `SPIN_ALWAYS_BUILD` means nothing.
    if args.build && matches!(source, Source::Path(_)) {
        app::build(&application)?;
    }
    application.check_sources()?;
    Ok(application)
}

/// What is wrong with an application may be in the words of a registry.
pub(super) fn for_a_terminal(error: AppError) -> anyhow::Error {
    anyhow::anyhow!(printable(&error.to_string()))
}

async fn serve(
    args: &UpArgs,
    mut application: Application,
    cache: Option<PathBuf>,
    shutdown: CancellationToken,
) -> Result<After> {
    let started = Instant::now();
    let config = RuntimeConfig::load(args.runtime_config_file.as_deref(), &args.store_defaults())?;
    let pod = pod();
    let in_pod = !matches!(pod, Ok(None));
    let replication = match args.replication.options(&config)? {
        Some(options) => {
            let source = args.replication.source(pod?)?;
            let listens = args.replication.listens(&config);
            let discovering = discover(source, options, listens, former_members());
            match shutdown.run_until_cancelled(discovering).await {
                Some(discovered) => Some(discovered?),
                None => return Ok(After::Exit),
            }
        }
        None => None,
    };
    // Whatever can be wrong is found before the first component is compiled.
    let server = Server::bind(
        args.listen.address,
        args.listen.find_free_port,
        tls_files(args).as_ref(),
    )
    .await?;

    let labels = application.components.iter().flat_map(|component| {
        let labels = component.key_value_stores.iter();
        labels.map(|label| (component.id.as_str(), label.as_str()))
    });
    config.stores_for(labels)?;
    let consistency = consistency(config.key_value_stores.values());
    let stores = stores(&config);
    let node = match replication {
        Some(discovered) => {
            Some(Node::start(discovered, application.name.clone(), stores.clone()).await?)
        }
        None => None,
    };
    let backend: Arc<dyn Backend> = match &node {
        Some(node) => node.backend.clone(),
        None => Arc::new(Local::new(stores)),
    };

    // Needed until its components are compiled and its files are copied.
    let content = application.take_content();
    let application = Arc::new(application);
    let runtime = {
        let (application, backend) = (application.clone(), backend.clone());
        let variables = application.resolve_variables(&variable_values(args, &config)?)?;
        let options = runtime_options(args, cache);
        let compiling = tokio::task::spawn_blocking(move || {
            Runtime::new(&application, &variables, backend.stores(), &options)
        });
        match shutdown.run_until_cancelled(compiling).await {
            Some(runtime) => runtime??,
            None => {
                // It may be a member of its cluster already.
                if let Some(node) = node {
                    node.tie_to(shutdown).leave().await?;
                }
                return Ok(After::Exit);
            }
        }
    };
    drop(content);
    let runtime = Arc::new(runtime);
    let sweeper = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.drop_idle_instances().await })
    };

    let published = node.as_ref().map(|node| node.publish.clone());
    let health = {
        let published = published.clone();
        Health::new(shutdown.clone(), move || {
            published.as_ref()?.published().not_ready
        })
    };
    let gateway = Arc::new(Gateway::new(
        application.clone(),
        runtime.clone(),
        backend.clone(),
        consistency,
        gateway_limits(args, &config),
        health,
    ));
    if let Some(address) = args.listen.admin_listen {
        let admin = Admin {
            application: application.clone(),
            runtime: runtime.clone(),
            backend,
            replication: published,
            gateway: gateway.clone(),
            started,
            shutdown: shutdown.clone(),
        };
        let address = admin.serve(address).await?;
        tracing::info!("administration on http://{address}");
    }
    let leaving = node.map(|node| node.tie_to(shutdown.clone()));
    announce(args, &application, &server)?;
    let shutdown = args.limits.shutdown(shutdown, in_pod);
    let patience = shutdown.patience;
    let cut_off = server
        .serve(gateway, workers(args), shutdown)
        .await
        .context("no threads could be started")?;
    sweeper.abort();
    runtime.remove_staged_files();
    if cut_off > 0 {
        tracing::warn!(
            "what was under way took longer than {patience:?} to finish and was cut off"
        );
    }
    let Some(leaving) = leaving else {
        return Ok(After::Exit);
    };
    match leaving.leave().await? {
        Ended::Left => Ok(After::Exit),
        Ended::Vanished => {
            tracing::warn!(
                "this node could not tell its cluster that it goes; the others will notice"
            );
            Ok(After::Exit)
        }
        Ended::Removed { members } => Ok(After::BeginAnew { members }),
    }
}

/// What comes after serving.
enum After {
    /// The process is done.
    Exit,
    /// It begins anew, as another node of the cluster that these are members of.
    BeginAnew {
        /// Their addresses.
        members: Vec<String>,
    },
}

/// The stores, as configured.
fn stores(config: &RuntimeConfig) -> Stores {
    let stores = config.key_value_stores.iter();
    let stores = stores.map(|(label, store)| (label.clone(), store_limits(store)));
    Stores::new(stores.collect())
}

/// Threads that serve requests: as asked for, or one for each core.
fn workers(args: &UpArgs) -> NonZeroUsize {
    args.instances
        .workers
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

fn tls_files(args: &UpArgs) -> Option<TlsFiles> {
    args.listen.tls().map(|(cert, key)| TlsFiles {
        cert: cert.clone(),
        key: key.clone(),
    })
}

/// Reads may be stale only where every store allows it: a request may read
/// from several.
fn consistency<'a>(mut stores: impl Iterator<Item = &'a StoreConfig>) -> Consistency {
    if stores.all(|store| store.read_consistency == ReadConsistency::Stale) {
        Consistency::Stale
    } else {
        Consistency::Linearizable
    }
}

fn store_limits(store: &StoreConfig) -> StoreLimits {
    StoreLimits {
        max_key_bytes: store.max_key_bytes,
        max_value_bytes: store.max_value_bytes,
        max_total_bytes: store.max_total_bytes,
    }
}

/// `--variable` first, then the runtime configuration, then the environment.
fn variable_values(args: &UpArgs, config: &RuntimeConfig) -> Result<VariableValues> {
    let configured = config.variables.iter().map(|(name, value)| {
        (
            format!("SPIN_VARIABLE_{}", name.to_uppercase()),
            value.clone(),
        )
    });
    // What is not UTF-8 cannot be the value of a variable.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(VariableValues::new(
        &args.variables,
        environment.chain(configured),
    )?)
}

fn runtime_options(args: &UpArgs, cache_dir: Option<PathBuf>) -> RuntimeOptions {
    let instances = args.limits.max_concurrent_requests + SPARE_INSTANCES;
    RuntimeOptions {
        max_instances: u32::try_from(instances).unwrap_or(u32::MAX),
        instances: InstanceOptions {
            max_reuse_count: args.instances.max_instance_reuse_count,
            idle_timeout: args.instances.idle_instance_timeout,
            max_memory_bytes: args.instances.max_instance_memory.as_usize(),
        },
        cache_dir,
        environment: args.env.clone(),
    }
}

fn gateway_limits(args: &UpArgs, config: &RuntimeConfig) -> GatewayLimits {
    let limits = &args.limits;
    GatewayLimits {
        max_request_body: limits.request_body_bytes(config.largest_value()),
        max_concurrent_requests: limits.max_concurrent_requests,
        max_connections: limits.max_connections,
        header_timeout: limits.header_timeout,
        request_timeout: args.instances.request_timeout,
        http1_max_buf_size: limits.http1_max_buf_size.map(|size| size.as_usize()),
    }
}

/// Says on standard output where the application is, as `spin up` does.
fn announce(args: &UpArgs, application: &Application, server: &Server) -> Result<()> {
    let base = format!("{}://{}", server.scheme(), server.address());
    let mut out = std::io::stdout().lock();
    let written = match args.listen.format {
        OutputFormat::Plain => announce_plain(&mut out, application, &base),
        OutputFormat::Json => announce_json(&mut out, application, &base),
    };
    match written.and_then(|()| out.flush()) {
        // Nobody reads: that is no reason not to serve.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written to")
        }
        _ => Ok(()),
    }
}

fn announce_plain(
    out: &mut impl Write,
    application: &Application,
    base: &str,
) -> std::io::Result<()> {
    writeln!(out, "Serving {base}")?;
    writeln!(out, "Available Routes:")?;
    for route in application.router.routes() {
        let name = component_id(application, &route.target).unwrap_or(&route.id);
        writeln!(out, "  {name}: {base}{route}")?;
        if let Target::Component(index) = route.target
            && let Some(component) = application.components.get(index)
            && !component.description.is_empty()
        {
            writeln!(out, "    {}", component.description)?;
        }
    }
    Ok(())
}

fn announce_json(
    out: &mut impl Write,
    application: &Application,
    base: &str,
) -> std::io::Result<()> {
    let routes: Vec<_> = application
        .router
        .routes()
        .map(|route| {
            serde_json::json!({
                "id": component_id(application, &route.target).unwrap_or(&route.id),
                "route": route.matched(),
                "url": format!("{base}{}", route.component_route()),
                "wildcard": route.is_wildcard(),
            })
        })
        .collect();
    let line = serde_json::json!({ "base_url": base, "routes": routes });
    writeln!(out, "{line}")
}

fn component_id<'a>(application: &'a Application, target: &Target) -> Option<&'a str> {
    match target {
        Target::Component(index) => application.components.get(*index).map(|c| c.id.as_str()),
        Target::Static(_) => None,
    }
}
