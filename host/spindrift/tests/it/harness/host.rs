//! The real binary as a process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client::Client;
use super::output::Output;
use super::raw::RawConnection;
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

/// The scheme and the address of a URL without a path.
fn parse_base(base: &str) -> Option<(String, SocketAddr)> {
    let (scheme, address) = base.split_once("://")?;
    Some((scheme.to_owned(), address.parse().ok()?))
}

/// A host that serves, or will. It is killed when this is dropped.
pub struct Host {
    child: Child,
    stdout: Output,
    stderr: Output,
    scheme: String,
    address: SocketAddr,
    _kept: Vec<TempDir>,
}

impl Host {
    /// A host on the project's own application: put, get, delete, docs.
    pub fn start(args: &[&str]) -> Host {
        HostCommand::new(&Self::workspace()).args(args).start()
    }

    /// The project's root folder.
    pub fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…`
    pub fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// A client that speaks HTTP/1.1 and keeps its connections open.
    pub fn http1(&self) -> Client {
        Client::http1(self.base())
    }

    /// A client that speaks HTTP/2 at once, on one connection.
    pub fn http2(&self) -> Client {
        Client::http2(self.base())
    }

    /// Both clients, for tests that hold whatever the protocol is.
    pub fn clients(&self) -> [Client; 2] {
        [self.http1(), self.http2()]
    }

    /// A client of its admin port; it has one if it was started with `--admin-listen 127.0.0.1:0`.
    pub fn admin(&self) -> Client {
        let line = self.logged(&["administration on http"]);
        let (_, base) = line.split_once("administration on ").expect("an address");
        Client::http1(base.to_owned())
    }

    /// A bare TCP connection to it.
    pub async fn connect(&self) -> RawConnection {
        RawConnection::open(self.address).await
    }

    /// Where it answers operators.
    ///
    /// # Panics
    ///
    /// If it was not told to.
    pub fn admin_address(&self) -> SocketAddr {
        let line = self.logged(&["administration on http"]);
        let base = line.split(' ').find_map(parse_base);
        let (_, address) = base.unwrap_or_else(|| panic!("no address in {line:?}"));
        address
    }

    /// How many files the process has open.
    pub fn open_files(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        files.expect("the process is there").count()
    }

    /// Has the process, from now on, open no file more.
    pub fn allow_no_more_files(&self) {
        let is_open = |number: &usize| {
            let path = format!("/proc/{}/fd/{number}", self.pid());
            std::fs::symlink_metadata(path).is_ok()
        };
        // The limit is one of numbers. The next file gets the lowest that is free.
        let free = (0..).find(|number| !is_open(number));
        self.allow_files(free.expect("some number is free"));
    }

    /// Has the process, from now on, open files with numbers below `limit`.
    pub fn allow_files(&self, limit: usize) {
        let status = Command::new("prlimit")
            .args(["--pid", &self.pid().to_string()])
            .arg(format!("--nofile={limit}:"))
            .status();
        assert!(status.expect("prlimit runs").success());
    }

    /// What it has printed on standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.lines().join("\n")
    }

    /// Waits until `part` is in what it has printed: the routes follow the address.
    ///
    /// # Panics
    ///
    /// If it is not printed in time.
    pub fn wait_until_printed(&self, part: &str) {
        let found = self
            .stdout
            .wait_for_line(PATIENCE, |line| line.contains(part).then_some(()));
        assert!(
            found.is_some(),
            "it printed no {part:?}: {}",
            self.printed()
        );
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// All that it has logged, when it has ended.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn log_to_end(&self) -> Vec<String> {
        self.stderr.wait_for_end(PATIENCE)
    }

    /// The first logged line that has all of `parts` in it, as soon as there is one.
    ///
    /// # Panics
    ///
    /// If none comes in time.
    pub fn logged(&self, parts: &[&str]) -> String {
        let has_all = |line: &str| {
            parts
                .iter()
                .all(|part| line.contains(part))
                .then(|| line.to_owned())
        };
        self.stderr
            .wait_for_line(PATIENCE, has_all)
            .unwrap_or_else(|| panic!("the log ended without a line that has {parts:?}"))
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has in memory now, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS")
    }

    /// The most that it has ever had in memory, in bytes.
    pub fn most_resident_bytes(&self) -> u64 {
        self.memory("VmHWM")
    }

    fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| {
            line.trim_matches([':', ' ', '\t', 'k', 'B'])
                .parse::<u64>()
                .ok()
        });
        kib.unwrap_or_else(|| panic!("no {name}: {status}")) << 10
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        signal::kill(Pid::from_raw(pid), signal).expect("the process is there");
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the host did not end in {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        match self.child.kill() {
            Err(error) if error.kind() != ErrorKind::InvalidInput => {
                eprintln!("the host could not be killed: {error}");
            }
            _ => {}
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.stderr.wait_for_end(Duration::from_secs(5));
            eprintln!("--- the host printed:\n{}", self.printed());
            eprintln!("--- the host logged:\n{}\n---", log.join("\n"));
        }
    }
}
