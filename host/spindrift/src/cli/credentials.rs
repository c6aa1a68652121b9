//! [`CredentialArgs`]: what nodes prove themselves to each other with, and the commands to the nodes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use spindrift_replication::remote::Credentials;
use spindrift_replication::{ClusterToken, PeerTlsFiles};

/// The cluster's secrets.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster's credentials")]
pub struct CredentialArgs {
    /// File with the secret of the cluster, at least 16 bytes. With it, nodes prove to each other that they belong together,
    /// and encrypt what they send. To replace the secret, put two lines into the file: the node proves itself with the first
    /// secret, and trusts both. The node reads the file again when it changes
    #[arg(long, value_name = "FILE", env = "SPINDRIFT_CLUSTER_TOKEN_FILE")]
    pub cluster_token_file: Option<PathBuf>,

    /// Certificate for mutual TLS between nodes, with those between it and the authority (PEM)
    #[arg(long, value_name = "FILE", env = "SPINDRIFT_PEER_TLS_CERT", requires_all = ["peer_tls_key", "peer_tls_ca"])]
    pub peer_tls_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", env = "SPINDRIFT_PEER_TLS_KEY", requires_all = ["peer_tls_cert", "peer_tls_ca"])]
    pub peer_tls_key: Option<PathBuf>,

    /// Certificate of the authority that has signed the certificates of all nodes (PEM)
    #[arg(long, value_name = "FILE", env = "SPINDRIFT_PEER_TLS_CA", requires_all = ["peer_tls_cert", "peer_tls_key"])]
    pub peer_tls_ca: Option<PathBuf>,
}

impl CredentialArgs {
    /// The secret, if there is a file with one.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or whose secret is too short.
    pub fn token(&self) -> Result<Option<ClusterToken>> {
        let file = self.cluster_token_file.as_deref();
        file.map(ClusterToken::read)
            .transpose()
            .context("--cluster-token-file")
    }

    /// The files for TLS, if there are any. `clap` has seen to it that there are all of them or none.
    pub fn tls(&self) -> Option<PeerTlsFiles> {
        Some(PeerTlsFiles {
            cert: self.peer_tls_cert.clone()?,
            key: self.peer_tls_key.clone()?,
            ca: self.peer_tls_ca.clone()?,
        })
    }

    /// Both, for a command that asks a node.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    pub fn credentials(&self) -> Result<Credentials> {
        Ok(Credentials {
            token: self.token()?,
            tls: self.tls(),
        })
    }
}
