//! [`Settings`]: what all nodes of a cluster are told, and the files that they are told it with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What all nodes of a cluster are told. The times are shorter than the defaults, so that a run holds many faults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many nodes vote.
    pub voters: usize,
    /// How long a node may be silent before it is removed.
    pub evict_after: Duration,
    /// How long requests wait for a leader.
    pub leader_wait: Duration,
    /// Log entries after which there is a snapshot: few, so that nodes that fell behind get one.
    pub snapshot_after: u64,
    /// The promises that the nodes break on purpose, as `SPINDRIFT_FAULT` has them.
    pub fault: Option<&'static str>,
    /// Further flags of `spindrift up`.
    pub flags: Vec<String>,
    /// The secret that they share, where they share one.
    pub token: Option<String>,
    /// Another name for the application than that of the project's `spin.toml`.
    pub application: Option<String>,
    /// A guest that is run instead of that application, at the path of its name.
    pub guest: Option<&'static str>,
    /// Whether the log of each node goes to a pipe that is full, and that nobody reads.
    pub unread_logs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            voters: 3,
            evict_after: Duration::from_secs(3),
            leader_wait: Duration::from_secs(2),
            snapshot_after: 500,
            fault: None,
            flags: Vec::new(),
            token: Some("a-secret-that-nodes-of-tests-share".to_owned()),
            application: None,
            guest: None,
            unread_logs: false,
        }
    }
}

impl Settings {
    /// Writes the files into `folder`, and returns the arguments of `spindrift up` that all nodes have.
    ///
    /// # Panics
    ///
    /// If a file cannot be written.
    pub fn arguments(&self, folder: &Path) -> Vec<String> {
        let write = |name: &str, content: &str| {
            let path = folder.join(name);
            fs::write(&path, content).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            path.to_string_lossy().into_owned()
        };
        // SpinKube writes every option as a string, and so do the tests.
        let configuration = format!(
            "[key_value_store.default]\ntype = \"replicated\"\nvoters = \"{}\"\nsnapshot_after = \"{}\"\n",
            self.voters, self.snapshot_after
        );
        let millis = |duration: Duration| format!("{}ms", duration.as_millis());
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
        let mut arguments: Vec<String> = [
            "-f",
            &self.manifest(folder).to_string_lossy(),
            "--runtime-config-file",
            &write("runtime-config.toml", &configuration),
            "--cache-dir",
            &cache.to_string_lossy(),
            "--evict-after",
            &millis(self.evict_after),
            "--leader-wait",
            &millis(self.leader_wait),
        ]
        .map(str::to_owned)
        .to_vec();
        if let Some(token) = &self.token {
            arguments.extend(["--cluster-token-file".to_owned(), write("token", token)]);
        }
        arguments.extend(self.flags.clone());
        arguments
    }

    /// The project's application, or a copy that differs in its name.
    fn manifest(&self, folder: &Path) -> PathBuf {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = folder.join("spin.toml");
        if let Some(guest) = self.guest {
            fs::write(&path, manifest_of(guest)).expect("the manifest");
            return path;
        }
        let Some(name) = &self.application else {
            return workspace;
        };
        let original = fs::read_to_string(workspace.join("spin.toml")).expect("the manifest");
        let modules = workspace.join("target/").to_string_lossy().into_owned();
        let renamed = original
            .replace("name = \"spindrift\"", &format!("name = {name:?}"))
            .replace("\"target/", &format!("\"{modules}"));
        fs::write(&path, renamed).expect("the manifest's copy");
        path
    }
}

/// The manifest of an application of one guest that is granted the store, and that may call itself.
fn manifest_of(guest: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let modules = target
        .expect("the target folder")
        .join("wasm32-wasip2/release");
    let source = modules.join(format!("guest_{guest}.wasm"));
    assert!(
        source.exists(),
        "{} is missing: `scripts/test.sh guests` builds it",
        source.display()
    );
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"guest\"\n[[trigger.http]]\nroute = \"/{guest}/...\"\n\
         component = {guest:?}\n[component.{guest}]\nsource = {source:?}\nkey_value_stores = [\"default\"]\n\
         allowed_outbound_hosts = [\"http://self\"]\n"
    )
}
