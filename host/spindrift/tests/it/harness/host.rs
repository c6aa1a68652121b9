//! [`Host`]: the real binary as a process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client::Client;
use super::host_command::HostCommand;
use super::output::Output;
use super::raw::RawConnection;
use super::wait::PATIENCE;

/// A host that serves, or will. It is killed when this is dropped.
pub struct Host {
    pub(super) child: Child,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) scheme: String,
    pub(super) address: SocketAddr,
    pub(super) _kept: Vec<TempDir>,
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

/// The scheme and the address of a URL without a path.
pub(super) fn parse_base(base: &str) -> Option<(String, SocketAddr)> {
    let (scheme, address) = base.split_once("://")?;
    Some((scheme.to_owned(), address.parse().ok()?))
}
