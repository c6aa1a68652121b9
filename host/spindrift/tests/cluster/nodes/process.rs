//! [`NodeProcess`]: one `spindrift up` at a place on the network, with its log in a file.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::net::unix::pipe::{Receiver, Sender, pipe};

use super::network::{Network, Place};
use super::run::PATIENCE;
use super::settings::Settings;

/// Every node has an address of its own, so all use the same ports.
const HTTP_PORT: u16 = 3000;
const PEER_PORT: u16 = 7000;
const ADMIN_PORT: u16 = 9090;

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// A name for people: its place, and which process it is there.
    pub name: String,
    /// By clients.
    pub http: SocketAddr,
    /// By other nodes.
    pub peer: SocketAddr,
    /// By whoever looks after it.
    pub admin: SocketAddr,
}

impl Addresses {
    fn new(name: String, address: Ipv4Addr) -> Self {
        let on = |port| SocketAddr::from((address, port));
        Addresses {
            name,
            http: on(HTTP_PORT),
            peer: on(PEER_PORT),
            admin: on(ADMIN_PORT),
        }
    }
}

/// How a node finds its cluster.
#[derive(Clone, Debug)]
pub enum Finds {
    /// It forms one if there is none.
    Bootstrap,
    /// It joins that of any of these nodes.
    Join(Vec<SocketAddr>),
}

/// A node's process. It is killed when this is dropped.
pub struct NodeProcess {
    /// Where it is on the network.
    pub place: Place,
    /// Where it is reached.
    pub addresses: Addresses,
    child: Child,
    log: PathBuf,
    /// The end of its log that nobody reads.
    _unread: Option<Receiver>,
    paused: bool,
}

/// The two ends of a pipe that holds no byte more.
fn full_pipe() -> (OwnedFd, Receiver) {
    let (writer, reader) = pipe().expect("a pipe");
    let mut full = File::from(writer.into_nonblocking_fd().expect("its end"));
    while full.write(b"\n").is_ok() {}
    let full = Sender::from_owned_fd(full.into()).and_then(Sender::into_blocking_fd);
    (full.expect("the end to write to"), reader)
}

impl NodeProcess {
    /// Starts a process at `place`, and does not wait for what becomes of it. `arguments` are those of all nodes of its
    /// cluster.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(
        network: &Network,
        place: Place,
        name: String,
        finds: &Finds,
        arguments: &[String],
        settings: &Settings,
        logs: &Path,
    ) -> Self {
        let addresses = Addresses::new(name, network.address(place));
        let log = logs.join(format!("{}.log", addresses.name));
        let file = File::create(&log).unwrap_or_else(|error| panic!("{log:?}: {error}"));
        let program = Path::new(env!("CARGO_BIN_EXE_spindrift"));
        let mut command = network.command_at(place, program);
        command.arg("up").args(arguments);
        command.args(["--listen", &addresses.http.to_string()]);
        command.args(["--admin-listen", &addresses.admin.to_string()]);
        command.args(["--peer-listen", &addresses.peer.to_string()]);
        match finds {
            Finds::Bootstrap => {
                command.arg("--bootstrap");
            }
            Finds::Join(peers) => {
                for peer in peers {
                    command.args(["--join", &peer.to_string()]);
                }
            }
        }
        command.env_clear();
        for variable in ["PATH", "HOME", "TMPDIR", "RUST_LOG"] {
            if let Some(value) = std::env::var_os(variable) {
                command.env(variable, value);
            }
        }
        if let Some(fault) = settings.fault {
            command.env("SPINDRIFT_FAULT", fault);
        }
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle of the log"))
            .stderr(file);
        let mut unread = None;
        if settings.unread_logs {
            let (writer, reader) = full_pipe();
            command.stderr(writer);
            unread = Some(reader);
        }
        NodeProcess {
            place,
            addresses,
            child: command.spawn().expect("the node starts"),
            log,
            _unread: unread,
            paused: false,
        }
    }

    /// A name for people.
    pub fn name(&self) -> &str {
        &self.addresses.name
    }

    /// Whether it is stopped by a signal.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops it where it is; it does not notice. On a busy machine its threads go on until each has come to hear of it, which is
    /// waited for.
    ///
    /// # Panics
    ///
    /// If it goes on all the same.
    pub fn pause(&mut self) {
        self.signal(Signal::SIGSTOP);
        self.paused = true;
        let deadline = Instant::now() + PATIENCE;
        while !self.stands_still() {
            assert!(Instant::now() < deadline, "{} goes on", self.name());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether none of its threads runs. One that has ended has none.
    fn stands_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.into_iter().flatten().flatten().all(|thread| {
            let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // After the name, which may have anything in it.
            let state = state.rsplit(')').next().unwrap_or_default();
            matches!(
                state.trim_start().chars().next(),
                None | Some('T' | 'Z' | 'X')
            )
        })
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.signal(Signal::SIGCONT);
        self.paused = false;
    }

    /// Ends it without a chance to do anything about it.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub async fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} has not ended within {PATIENCE:?}; it logged:\n{}",
                self.name(),
                self.log_end()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many files it has open, connections among them.
    pub fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        files.map_or(0, Iterator::count)
    }

    /// Everything that it has printed and logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of it.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(40);
        format!("{}\n({})", lines[skipped..].join("\n"), self.log.display())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // One that has ended and was not waited for takes every signal; one that was waited for is not there.
        let _ = signal::kill(Pid::from_raw(pid), signal);
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // `Child` knows whether it was waited for, and does not signal somebody else's process.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} logged:\n{}", self.name(), self.log_end());
        }
    }
}
