//! [`Ports`]: where clients and operators are answered, from the start of the process on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use spindrift_gateway::{Gateway, Health, Server};
use spindrift_memory::Budget;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::open_files::OpenFiles;
use super::options::{gateway_limits, tls_files, workers};
use crate::admin::AdminPort;
use crate::cli::UpArgs;
use crate::runtime_config::RuntimeConfig;

/// The ports that are listened on before anything that may take long.
pub(super) struct Ports {
    /// What the start waits for is told here.
    pub health: Arc<Health>,
    /// What answers on the public port.
    pub gateway: Arc<Gateway>,
    /// The port for operators, if there is to be one.
    pub admin: Option<AdminPort>,
    /// The URL of the public port, without a slash at the end.
    pub base: String,
    serving: JoinHandle<usize>,
    patience: Duration,
}

impl Ports {
    /// Listens, and answers for a process that starts, until `shutdown`.
    ///
    /// # Errors
    ///
    /// An address cannot be had, or the certificate is no good.
    pub async fn open(
        args: &UpArgs,
        config: &RuntimeConfig,
        memory: Arc<Budget>,
        in_pod: bool,
        files: OpenFiles,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        let listen = &args.listen;
        let tls = tls_files(args);
        let server = Server::bind(listen.address, listen.find_free_port, tls.as_ref()).await?;
        let base = format!("{}://{}", server.scheme(), server.address());
        let health = Arc::new(Health::starting(shutdown.clone()));
        let admin = match listen.admin_listen {
            Some(address) => {
                let admin = AdminPort::open(address, files.share(), health.clone()).await?;
                tracing::info!("administration on http://{}", admin.address());
                Some(admin)
            }
            None => None,
        };
        // On standard output it is said once the application is served.
        tracing::info!("listening on {base}, where the application is not served yet");
        let limits = gateway_limits(args, config, memory, files);
        let gateway = Gateway::new(limits, health.clone(), server.base_url());
        let gateway = Arc::new(gateway);
        let shutdown = args.limits.shutdown(shutdown, in_pod);
        let patience = shutdown.patience;
        let serving = server
            .serve(gateway.clone(), workers(args), shutdown)
            .context("no threads could be started")?;
        Ok(Self {
            health,
            gateway,
            admin,
            base,
            serving,
            patience,
        })
    }

    /// Waits until the process has been told to stop and what was under way is finished, or cut off.
    ///
    /// # Errors
    ///
    /// The server has failed.
    pub async fn closed(self) -> Result<()> {
        let cut_off = self.serving.await.context("the server has failed")?;
        if cut_off > 0 {
            tracing::warn!(
                "requests under way took longer than {:?} to finish, and were cut off",
                self.patience
            );
        }
        Ok(())
    }
}
