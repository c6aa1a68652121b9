//! [`spindrift`]: a command of the program that runs to its end, among the clients.

use std::process::Stdio;

use tokio::process::Command;

use crate::nodes::cluster::Cluster;
use crate::nodes::run::PATIENCE;

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// The exit code, if no signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// Runs `spindrift` with these arguments.
///
/// # Panics
///
/// If it does not end in time.
pub async fn spindrift(arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindrift"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for variable in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(variable) {
            command.env(variable, value);
        }
    }
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: spindrift {arguments:?}"))
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// As [`spindrift`], with what a member of `cluster` proves itself with.
pub async fn spindrift_as_member(cluster: &Cluster, arguments: &[&str]) -> Said {
    let token = cluster.token_file();
    let mut arguments = arguments.to_vec();
    if let Some(file) = &token {
        arguments.extend(["--cluster-token-file", file]);
    }
    spindrift(&arguments).await
}
