//! [`HostCommand`]: the real binary with its arguments, before it starts.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::host::{Host, parse_base};
use super::output::Output;
use super::refusal::{Refusal, assert_said_once};
use super::wait::PATIENCE;

/// `spindrift up` with its arguments, not yet started. It sees nothing of the test's own environment that could change
/// what it does, listens on a free port of the loopback address, and shares its compilation cache with the other tests,
/// unless the arguments say otherwise.
pub struct HostCommand {
    command: Command,
    /// Folders that the process needs while it runs.
    kept: Vec<TempDir>,
    listens: bool,
    caches: bool,
    /// What the process may have of the address space, in KiB.
    address_space: Option<u64>,
}

impl HostCommand {
    /// Runs the application at `from`.
    pub fn new(from: &Path) -> Self {
        Self::bare().args(&["-f", &from.to_string_lossy()])
    }

    /// Runs without an application, but for what the arguments say.
    pub fn bare() -> Self {
        let mut command = command("up");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        HostCommand {
            command,
            kept: Vec::new(),
            listens: false,
            caches: false,
            address_space: None,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[impl AsRef<str>]) -> Self {
        for arg in args {
            let arg = arg.as_ref();
            self.listens |= arg.starts_with("--listen");
            self.caches |= arg == "--disable-cache" || arg.starts_with("--cache-dir");
            self.command.arg(arg);
        }
        self
    }

    /// Sets an environment variable of the process.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.listens |= name == "SPIN_HTTP_LISTEN_ADDR";
        self.caches |= name == "SPINDRIFT_CACHE_DIR";
        self.command.env(name, value);
        self
    }

    /// Lets it look for a cache itself, instead of sharing that of the other tests.
    pub fn default_cache(mut self) -> Self {
        self.caches = true;
        self
    }

    /// Has it write its log there, which [`Host::log`] does not see then.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    /// Has it print there, which [`Host::printed`] does not see then: start it by [`HostCommand::start_listening`].
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Sets the folder that the process runs in.
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Lets the process have so much of the address space, as `ulimit -v` does, in KiB.
    pub fn address_space(mut self, kib: u64) -> Self {
        self.address_space = Some(kib);
        self
    }

    /// Lets the process open no more than `limit` files.
    pub fn open_files(mut self, limit: u32) -> Self {
        let mut limited = Command::new("prlimit");
        limited
            .arg(format!("--nofile={limit}:{limit}"))
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear()
            .envs(
                self.command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = self.command.get_current_dir() {
            limited.current_dir(folder);
        }
        self.command = limited;
        self
    }

    /// Deletes `folder` only when the process has ended.
    pub fn keep(mut self, folder: TempDir) -> Self {
        self.kept.push(folder);
        self
    }

    /// Starts, and waits until it serves.
    ///
    /// # Panics
    ///
    /// If it does not, with what it said instead.
    pub fn start(self) -> Host {
        let mut host = self.spawn();
        let base = host.stdout.wait_for_line(PATIENCE, serving);
        let Some((scheme, address)) = base else {
            let status = host.wait();
            panic!("the host ended with {status} before it served");
        };
        host.scheme = scheme;
        host.address = address;
        host
    }

    /// Starts, and waits until it listens: it need not serve yet.
    ///
    /// # Panics
    ///
    /// If it does not, with what it said instead.
    pub fn start_listening(self) -> Host {
        let mut host = self.spawn();
        let line = host.logged(&["listening on http"]);
        let words = line.split([' ', ',']);
        let base = words.rev().find_map(parse_base);
        (host.scheme, host.address) = base.unwrap_or_else(|| panic!("no address in {line:?}"));
        host
    }

    /// Starts, and waits for it to refuse and end.
    ///
    /// # Panics
    ///
    /// If it serves, or does not end in time.
    pub fn refuse(self) -> Refusal {
        let mut host = self.spawn();
        let status = host.wait();
        let refusal = Refusal {
            code: status.code(),
            stdout: host.stdout.wait_for_end(PATIENCE).join("\n"),
            stderr: host.stderr.wait_for_end(PATIENCE).join("\n"),
        };
        assert!(
            !refusal.stdout.contains("Serving"),
            "it served: {refusal:?}"
        );
        assert_said_once(&refusal.stderr);
        refusal
    }

    /// Starts, and waits for nothing.
    pub fn spawn(mut self) -> Host {
        if !self.listens {
            self.command.args(["--listen", "127.0.0.1:0"]);
        }
        if !self.caches {
            let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
            self.command.arg("--cache-dir").arg(shared);
        }
        if let Some(kib) = self.address_space {
            self.command = limited(&self.command, kib);
        }
        let mut child = self.command.spawn().expect("the binary starts");
        Host {
            stdout: child
                .stdout
                .take()
                .map_or_else(Output::none, Output::collect),
            stderr: child
                .stderr
                .take()
                .map_or_else(Output::none, Output::collect),
            child,
            scheme: String::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            _kept: self.kept,
        }
    }
}

/// The same command, in a shell that limits its address space to so many KiB first.
pub fn limited(command: &Command, kib: u64) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &kib.to_string()])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// A command of the binary. It sees nothing of the test's own environment that could change what it does.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindrift"));
    command.arg(name).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Finds the address in what a starting host prints, in either format.
fn serving(line: &str) -> Option<(String, SocketAddr)> {
    let base = match line.strip_prefix("Serving ") {
        Some(base) => base.to_owned(),
        None => {
            let routes: serde_json::Value = serde_json::from_str(line).ok()?;
            routes["base_url"].as_str()?.to_owned()
        }
    };
    parse_base(&base)
}
