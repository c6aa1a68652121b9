//! [`Network`]: a network namespace for each node, one more for the clients, and a packet filter that decides which nodes
//! hear which.
//!
//! The clients' namespace has the bridge that all are attached to. The network of the machine is not touched, and every
//! test can use the same addresses. Nodes are cut off by `nft` in the namespace of the one that shall not hear: that works
//! in one direction alone, on connections that are open, and without either side being told. (`tc netem` would do, too,
//! but many kernels come without it.) A slow line is a filter as well, which drops what is too much. Clients hear and are
//! heard always.
//!
//! Namespaces that are left over are the business of `namespaces.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, setns};

use super::namespaces::{FOLDER, PREFIX, clear_remains, known, remove, run};

/// At most so many places for nodes on one network, so that their addresses fit one subnet.
const MAX_PLACES: usize = 200;

/// A place for one process: an address in a namespace of its own. Counted from 0.
pub type Place = usize;

/// The network of one cluster. It ends, with all processes on it, when this is dropped.
pub struct Network {
    prefix: String,
    places: usize,
    cuts: BTreeSet<Cut>,
}

/// Nothing that `from` sends arrives at `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Who is not heard.
    pub from: Place,
    /// Who does not hear.
    pub to: Place,
}

impl Network {
    /// A network with the clients alone on it.
    ///
    /// # Panics
    ///
    /// If it cannot be made, saying what it takes.
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        clear_remains();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let network = Network {
            prefix: format!("{PREFIX}{}-{number}", std::process::id()),
            places: 0,
            cuts: BTreeSet::new(),
        };
        let hub = network.hub();
        run("ip", &["netns", "add", &hub], "");
        let script = format!(
            "link set lo up\n\
             link add hub type bridge forward_delay 0\n\
             address add {}/24 dev hub\n\
             link set hub up\n",
            address(MAX_PLACES)
        );
        run("ip", &["-n", &hub, "-batch", "-"], &script);
        network
    }

    /// Adds a place for a process. A new node has an address that none had before it.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn add_place(&mut self) -> Place {
        let place = self.places;
        assert!(place < MAX_PLACES, "more than {MAX_PLACES} places");
        let (hub, namespace) = (self.hub(), self.namespace(place));
        run("ip", &["netns", "add", &namespace], "");
        self.places += 1;
        let script = format!(
            "link add p{place} type veth peer name eth0 netns {namespace}\n\
             link set p{place} master hub up\n"
        );
        run("ip", &["-n", &hub, "-batch", "-"], &script);
        let script = format!(
            "link set lo up\naddress add {}/24 dev eth0\nlink set eth0 up\n",
            address(place)
        );
        run("ip", &["-n", &namespace, "-batch", "-"], &script);
        self.filter(
            place,
            "table ip cut {\n\
             set unheard { type ipv4_addr; }\n\
             chain input { type filter hook input priority 0; ip saddr @unheard drop; }\n\
             }\n",
        );
        place
    }

    /// The address of a place.
    pub fn address(&self, place: Place) -> Ipv4Addr {
        address(place)
    }

    /// The places that there are.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        0..self.places
    }

    /// Cuts these connections and no others.
    ///
    /// # Panics
    ///
    /// If the packet filter cannot be set.
    pub fn cut(&mut self, cuts: impl IntoIterator<Item = Cut>) {
        let cuts: BTreeSet<Cut> = cuts.into_iter().collect();
        for to in 0..self.places {
            let unheard = |cuts: &BTreeSet<Cut>| -> BTreeSet<Place> {
                let here = cuts.iter().filter(|cut| cut.to == to);
                here.map(|cut| cut.from).collect()
            };
            let wanted = unheard(&cuts);
            if wanted == unheard(&self.cuts) {
                continue;
            }
            let mut script = "flush set ip cut unheard\n".to_owned();
            for from in wanted {
                let from = address(from);
                writeln!(script, "add element ip cut unheard {{ {from} }}").expect("text");
            }
            self.filter(to, &script);
        }
        self.cuts = cuts;
    }

    /// Lets no more arrive at `place` from other nodes, all together, than so many kilobytes a second, until
    /// [`Network::speed_up`].
    ///
    /// # Panics
    ///
    /// If the packet filter cannot be set.
    pub fn slow_down(&self, place: Place, kilobytes_a_second: u32) {
        let clients = address(MAX_PLACES);
        self.filter(
            place,
            &format!(
                "table ip slow {{\n\
                 chain input {{\n\
                 type filter hook input priority 0;\n\
                 ip saddr != {{ 127.0.0.1, {clients} }} limit rate over {kilobytes_a_second} kbytes/second \
                 burst 256 kbytes drop\n\
                 }}\n\
                 }}\n"
            ),
        );
    }

    /// Lets everything arrive at `place` again that others send.
    ///
    /// # Panics
    ///
    /// If the packet filter cannot be set.
    pub fn speed_up(&self, place: Place) {
        self.filter(place, "delete table ip slow\n");
    }

    /// Lets nothing arrive at `place` on connections that `from` has opened to `port` there, until
    /// [`Network::undeafen`]. Its own connections to `from` are as they were.
    ///
    /// # Panics
    ///
    /// If the packet filter cannot be set.
    pub fn deafen(&self, place: Place, from: Place, port: u16) {
        let from = address(from);
        self.filter(
            place,
            &format!(
                "table ip deaf {{\n\
                 chain input {{\n\
                 type filter hook input priority 0;\n\
                 ip saddr {from} tcp dport {port} drop\n\
                 }}\n\
                 }}\n"
            ),
        );
    }

    /// Ends [`Network::deafen`].
    ///
    /// # Panics
    ///
    /// If the packet filter cannot be set.
    pub fn undeafen(&self, place: Place) {
        self.filter(place, "delete table ip deaf\n");
    }

    /// Lets everybody hear everybody.
    pub fn heal(&mut self) {
        self.cut([]);
    }

    /// The command that runs `program` at `place`.
    pub fn command_at(&self, place: Place, program: &Path) -> Command {
        let mut command = Command::new("ip");
        // It becomes the program, so that a signal to it is one to the program.
        command.args(["netns", "exec", &self.namespace(place)]);
        command.arg(program);
        command
    }

    /// Moves the calling thread, and those that it will start, among the clients.
    ///
    /// # Panics
    ///
    /// If the system does not let it.
    pub fn enter(&self) {
        let path = Path::new(FOLDER).join(self.hub());
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        setns(namespace, CloneFlags::CLONE_NEWNET)
            .unwrap_or_else(|error| panic!("cannot enter {path:?}: {error}"));
    }

    fn filter(&self, place: Place, script: &str) {
        let namespace = self.namespace(place);
        run(
            "ip",
            &["netns", "exec", &namespace, "nft", "-f", "-"],
            script,
        );
    }

    fn hub(&self) -> String {
        format!("{}-clients", self.prefix)
    }

    fn namespace(&self, place: Place) -> String {
        format!("{}-{place}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in known() {
            if namespace.starts_with(&format!("{}-", self.prefix)) {
                remove(&namespace);
            }
        }
    }
}

/// Every pair of one of `some` and one of `others`, both ways.
pub fn between(some: &[Place], others: &[Place]) -> Vec<Cut> {
    let pairs = some
        .iter()
        .flat_map(|&a| others.iter().map(move |&b| (a, b)));
    pairs
        .flat_map(|(a, b)| [Cut { from: a, to: b }, Cut { from: b, to: a }])
        .collect()
}

fn address(place: Place) -> Ipv4Addr {
    let last = u8::try_from(place + 1).expect("a place is below 255");
    Ipv4Addr::new(10, 77, 0, last)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::UdpSocket;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Stdio;
    use std::time::Duration;

    use nix::sys::signal::Signal;

    use super::*;

    /// Whether a packet from one place arrives at another. Threads enter the namespaces, so that no process is needed.
    fn hears(network: &Network, to: Place, from: Place) -> bool {
        let at = |place: Place| {
            let path = Path::new(FOLDER).join(network.namespace(place));
            let socket = std::thread::spawn(move || {
                let namespace = File::open(&path).expect("the namespace");
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("it can be entered");
                UdpSocket::bind((address(place), 7000)).expect("a socket")
            });
            socket.join().expect("a socket")
        };
        let (receiver, sender) = (at(to), at(from));
        receiver
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a time-out");
        // The first packets may wait for the address of the other to be found.
        for _ in 0..3 {
            sender
                .send_to(b"x", (address(to), 7000))
                .expect("it is sent");
            match receiver.recv(&mut [0; 8]) {
                Ok(_) => return true,
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                ),
            }
        }
        false
    }

    #[test]
    fn nodes_hear_whom_they_are_meant_to_hear() {
        let mut network = Network::new();
        let [a, b, c] = [(); 3].map(|()| network.add_place());
        assert!(hears(&network, a, b) && hears(&network, b, a));
        network.cut([Cut { from: a, to: b }]);
        assert!(!hears(&network, b, a), "it is cut");
        assert!(hears(&network, a, b), "only one way is cut");
        network.cut(between(&[c], &[a, b]));
        assert!(hears(&network, b, a), "it is cut no more");
        assert!(!hears(&network, c, a) && !hears(&network, b, c));
        network.heal();
        assert!(hears(&network, c, a) && hears(&network, b, c));
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut network = Network::new();
        network.add_place();
        let prefix = format!("{}-", network.prefix);
        let ours = || known().iter().filter(|n| n.starts_with(&prefix)).count();
        assert_eq!(ours(), 2);
        // It says when it runs: before that it is not at its place yet.
        let mut child = network
            .command_at(0, Path::new("sh"))
            .args(["-c", "echo; exec sleep 30"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0]).expect("it runs");
        drop(network);
        assert_eq!(ours(), 0);
        let status = child.wait().expect("the process has ended");
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
    }
}
