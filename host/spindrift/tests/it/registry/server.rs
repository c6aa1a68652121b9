//! A registry as a process, and what is on its disk.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;

use super::token_service::{ISSUER, SERVICE, TokenService};
use crate::harness::{Client, Output, PATIENCE};

/// A user of the registry with passwords, and the password.
pub const USER: (&str, &str) = ("somebody", "opensesame");
/// The line of that user in the file of users: bcrypt, at its least cost.
const USERS: &str = "somebody:$2y$05$abcdefghijklmnopqrstuuQbLfdQZSxZ9gjhA5V9o8Tyc6aQRO0Qi\n";

/// A registry on loopback, with its storage in a folder of its own. It is killed when this is dropped.
pub struct Server {
    process: Child,
    folder: TempDir,
    address: String,
}

impl Server {
    /// One without TLS, that anyone may use.
    pub fn start() -> Self {
        Self::with_settings(tempfile::tempdir().expect("a temporary folder"), "", "")
    }

    /// One without TLS, that only [`USER`] may use.
    pub fn with_password() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let users = file(&folder, "users", USERS);
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {users}\n");
        Self::with_settings(folder, "", &auth)
    }

    /// One with TLS, that anyone may use.
    pub fn with_tls(certified: &CertifiedKey<KeyPair>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tls = tls(&folder, certified);
        Self::with_settings(folder, &tls, "")
    }

    /// One without TLS, that those may use whom a token service lets in.
    pub fn with_token_service(service: &TokenService) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let auth = tokens(&folder, service);
        Self::with_settings(folder, "", &auth)
    }

    /// As [`Server::with_token_service`], with TLS.
    pub fn with_tls_and_token_service(
        certified: &CertifiedKey<KeyPair>,
        service: &TokenService,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (tls, auth) = (tls(&folder, certified), tokens(&folder, service));
        Self::with_settings(folder, &tls, &auth)
    }

    /// `http` goes into the table of that name.
    fn with_settings(folder: TempDir, http: &str, other: &str) -> Self {
        let config = folder.path().join("config.yml");
        let storage = folder.path().join("storage");
        // No cache of blobs in memory: tests change what is on the disk.
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n{http}{other}",
            storage.display()
        );
        std::fs::write(&config, text).expect("the registry's configuration");
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "docker-registry does not start ({error}); it is in Debian's package docker-registry"
                )
            });
        let log = Output::collect(process.stderr.take().expect("a pipe"));
        let address = log.wait_for_line(PATIENCE, |line| {
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find([',', '"', ' ']).unwrap_or(rest.len());
            Some(rest[..end].to_owned())
        });
        let address =
            address.unwrap_or_else(|| panic!("the registry has ended: {:?}", log.lines()));
        Server {
            process,
            folder,
            address,
        }
    }

    /// Where it listens, `127.0.0.1:…`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The reference of that name, `repository:tag`, in this registry.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// A client of one without TLS.
    pub fn client(&self) -> Client {
        Client::http1(format!("http://{}", self.address))
    }

    /// Ends it. What it has stays on its disk until this is dropped.
    pub fn stop(&mut self) {
        self.process.kill().expect("the registry is there");
        self.process.wait().expect("its end");
    }

    /// The file that holds the blob with this digest.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let path = self
            .folder
            .path()
            .join("storage/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data");
        assert!(path.is_file(), "there is no {}", path.display());
        path
    }

    /// The manifest that a reference with a digest names.
    pub fn manifest(&self, reference: &str) -> serde_json::Value {
        let (_, digest) = reference.split_once('@').expect("a digest");
        self.json(digest)
    }

    /// A blob that is JSON.
    pub fn json(&self, digest: &str) -> serde_json::Value {
        let bytes = std::fs::read(self.blob(digest)).expect("a blob");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// The digests of the layers of that type.
    pub fn layers(&self, reference: &str, media_type: &str) -> Vec<String> {
        let manifest = self.manifest(reference);
        let layers = manifest["layers"].as_array().expect("layers");
        let layers = layers
            .iter()
            .filter(|layer| layer["mediaType"] == media_type);
        let digests = layers.map(|layer| layer["digest"].as_str().expect("a digest").to_owned());
        digests.collect()
    }

    /// The locked application of a reference with a digest.
    pub fn locked(&self, reference: &str) -> serde_json::Value {
        let layers = self.layers(reference, APPLICATION);
        let [digest] = &layers[..] else {
            panic!("{layers:?}");
        };
        self.json(digest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that a test has stopped is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The settings for TLS, with files in `folder`.
fn tls(folder: &TempDir, certified: &CertifiedKey<KeyPair>) -> String {
    let certificate = file(folder, "certificate", &certified.cert.pem());
    let key = file(folder, "key", &certified.signing_key.serialize_pem());
    format!("  tls:\n    certificate: {certificate}\n    key: {key}\n")
}

/// The settings for a token service.
fn tokens(folder: &TempDir, service: &TokenService) -> String {
    let bundle = file(folder, "signed-by", &service.signed_by());
    format!(
        "auth:\n  token:\n    realm: {}\n    service: {SERVICE}\n    issuer: {ISSUER}\n    rootcertbundle: {bundle}\n",
        service.realm()
    )
}

/// Writes a file, and gives its path.
fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file of the registry");
    path.to_string_lossy().into_owned()
}

/// The media type of a locked application.
pub const APPLICATION: &str = "application/vnd.fermyon.spin.application.v1+config";
/// That of WebAssembly.
pub const WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// That of a file.
pub const DATA: &str = "application/vnd.wasm.content.layer.v1+data";
/// That of an archive of files.
pub const ARCHIVE: &str = "application/vnd.wasm.content.bundle.v1.tar+gzip";

/// Changes one byte of a file and not its size.
pub fn change(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let last = bytes.last_mut().expect("a byte");
    *last ^= 1;
    std::fs::write(path, bytes).expect("the file is changed");
}
