//! [`InCluster`]: what a pod is given to reach its API server. Nothing is asked of the server here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

/// Where Kubernetes puts the files of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Names another folder than [`SERVICE_ACCOUNT`]: for tests, and for what runs beside a cluster as if it were a pod.
const SERVICE_ACCOUNT_VARIABLE: &str = "SPINDRIFT_SERVICE_ACCOUNT_FOLDER";

/// The address of the pod, where its manifest has it put there (`fieldRef: status.podIP`). The kubelet knows it before the API
/// server does.
const IP_VARIABLE: &str = "SPINDRIFT_POD_IP";

/// Where the API server is, and who this process is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCluster {
    /// `https://host:port` of the API server.
    pub api_server: String,
    /// The folder with the files `token`, `ca.crt` and `namespace` of the pod's service account. Token and certificate are read
    /// again about once a minute, since Kubernetes renews them.
    pub service_account: PathBuf,
    /// The pod.
    pub pod: ThisPod,
}

/// The pod that this process runs in, as far as the process knows it by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThisPod {
    /// Its name.
    pub name: String,
    /// Where other pods reach it, if the process was told.
    pub ip: Option<IpAddr>,
}

impl From<String> for ThisPod {
    fn from(name: String) -> Self {
        Self { name, ip: None }
    }
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
    /// The address that the process was told.
    #[error(
        "the environment variable {IP_VARIABLE} is {value:?}, which is no IP address: it is to come from the field status.podIP"
    )]
    Ip {
        /// What it says.
        value: String,
    },
    /// A file of the service account.
    #[error("the service account's file {path} cannot be read: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: io::Error,
    },
}

impl InCluster {
    /// What the environment says, `variable` being a look into it; `None` if this process is in no pod, or in one without a
    /// service account.
    ///
    /// # Errors
    ///
    /// There is a service account, but the API server or the pod's name is not known, or the pod's address is invalid.
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
        let name = needed("HOSTNAME", "set it to the pod's name, metadata.name")?;
        let ip = variable(IP_VARIABLE).filter(|value| !value.is_empty());
        let ip = ip.map(|value| value.parse().map_err(|_| InClusterError::Ip { value }));
        let ip = ip.transpose()?;
        Ok(Some(Self {
            api_server: format!("https://{}:{port}", bracketed(&host)),
            service_account: folder,
            pod: ThisPod { name, ip },
        }))
    }

    /// The namespace of the pod.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn namespace(&self) -> Result<String, InClusterError> {
        let file = self.service_account.join("namespace");
        let namespace = fs::read_to_string(&file).map_err(|reason| unreadable(&file, reason))?;
        Ok(namespace.trim().to_owned())
    }
}

fn unreadable(file: &Path, reason: io::Error) -> InClusterError {
    InClusterError::File {
        path: file.display().to_string(),
        reason,
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
        assert_eq!(found.pod, ThisPod::from("kv-0".to_owned()));
        assert_eq!(found.namespace().expect("a file"), "apps");
        let error = detect("HOSTNAME").expect_err("a pod has a name");
        assert!(error.to_string().contains("HOSTNAME"), "{error}");
        let told = |ip: &'static str| {
            let others = environment(folder.path(), "");
            InCluster::detect(move |name| match name {
                IP_VARIABLE => Some(ip.to_owned()),
                _ => others(name),
            })
        };
        let found = told("fd00::2").expect("nothing is wrong").expect("a pod");
        assert_eq!(found.pod.ip, Some("fd00::2".parse().expect("an address")));
        let error = told("fd00").expect_err("no address");
        assert!(error.to_string().contains("status.podIP"), "{error}");
    }
}
