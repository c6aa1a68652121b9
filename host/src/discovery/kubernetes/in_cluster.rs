//! [`InCluster`]: what a pod is given to reach its API server. Nothing is asked of the server here.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

/// Where Kubernetes puts the files of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Names another folder than [`SERVICE_ACCOUNT`]: for tests, and for what runs beside a cluster as if it were a pod.
const SERVICE_ACCOUNT_VARIABLE: &str = "SPINDRIFT_SERVICE_ACCOUNT_FOLDER";

/// Where the API server is, and who this process is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCluster {
    /// `https://host:port` of the API server.
    pub api_server: String,
    /// The folder with the files `token`, `ca.crt` and `namespace` of the pod's service account. Token and certificate are read
    /// again about once a minute, since Kubernetes renews them.
    pub service_account: PathBuf,
    /// The name of the pod.
    pub pod: String,
}

/// A process has a service account, and something else that belongs to a pod is missing.
#[derive(Debug, Error)]
pub enum InClusterError {
    /// An environment variable.
    #[error(
        "this process has a service account in {folder}, as in a pod, but not the environment variable {variable}: {cure}"
    )]
    Variable {
        /// Where the service account is.
        folder: String,
        /// What is not set.
        variable: &'static str,
        /// What to do about it.
        cure: &'static str,
    },
    /// A file of the service account.
    #[error("the service account's file {path} cannot be read: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl InCluster {
    /// What the environment says, `variable` being a look into it; `None` if this process is in no pod, or in one without a
    /// service account.
    ///
    /// # Errors
    ///
    /// There is a service account, but the API server or the pod's name is not known.
    pub fn detect(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, InClusterError> {
        let folder = variable(SERVICE_ACCOUNT_VARIABLE).unwrap_or_else(|| SERVICE_ACCOUNT.into());
        let folder = PathBuf::from(folder);
        if !folder.join("token").is_file() {
            return Ok(None);
        }
        let needed = |name: &'static str, cure: &'static str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| InClusterError::Variable {
                folder: folder.display().to_string(),
                variable: name,
                cure,
            })
        };
        let by_kubernetes = "Kubernetes sets it in every container";
        let host = needed("KUBERNETES_SERVICE_HOST", by_kubernetes)?;
        let port = needed("KUBERNETES_SERVICE_PORT", by_kubernetes)?;
        let pod = needed("HOSTNAME", "set it to the pod's name, metadata.name")?;
        Ok(Some(Self {
            api_server: format!("https://{}:{port}", bracketed(&host)),
            service_account: folder,
            pod,
        }))
    }

    /// The namespace of the pod.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn namespace(&self) -> Result<String, InClusterError> {
        let file = self.service_account.join("namespace");
        let namespace = fs::read_to_string(&file).map_err(|source| unreadable(&file, source))?;
        Ok(namespace.trim().to_owned())
    }
}

fn unreadable(file: &Path, source: io::Error) -> InClusterError {
    InClusterError::File {
        path: file.display().to_string(),
        source,
    }
}

/// A host as it stands in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &Path, without: &str) -> impl Fn(&str) -> Option<String> {
        let folder = folder.display().to_string();
        move |name| {
            let value = match name {
                SERVICE_ACCOUNT_VARIABLE => folder.as_str(),
                "KUBERNETES_SERVICE_HOST" => "fd00::1",
                "KUBERNETES_SERVICE_PORT" => "443",
                "HOSTNAME" => "kv-0",
                _ => return None,
            };
            (name != without).then(|| value.to_owned())
        }
    }

    #[test]
    fn a_service_account_makes_a_pod() {
        let folder = tempfile::tempdir().expect("a folder");
        let detect = |without| InCluster::detect(environment(folder.path(), without));
        assert_eq!(detect("").expect("nothing is wrong"), None);
        fs::write(folder.path().join("token"), "t").expect("a file");
        fs::write(folder.path().join("namespace"), "apps\n").expect("a file");
        let found = detect("").expect("nothing is wrong").expect("a pod");
        assert_eq!(found.api_server, "https://[fd00::1]:443");
        assert_eq!(found.pod, "kv-0");
        assert_eq!(found.namespace().expect("a file"), "apps");
        let error = detect("HOSTNAME").expect_err("a pod has a name");
        assert!(error.to_string().contains("HOSTNAME"), "{error}");
    }
}
