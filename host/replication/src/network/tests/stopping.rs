//! A process that is told to stop while it becomes a node.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::port::Node;
use super::soon;
use crate::{Ended, Published, ReplicationOptions};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// A port before that of a process, at which what is said to the process and by it can be held back.
#[derive(Clone)]
struct Door {
    address: String,
    /// The process, once it has a port.
    behind: Arc<OnceLock<String>>,
    held: watch::Sender<bool>,
}

impl Door {
    /// `opened` is called before each connection is passed on, with the number of those before it.
    async fn new(opened: impl Fn(&Door, usize) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let door = Door {
            address,
            behind: Arc::default(),
            held: watch::channel(false).0,
        };
        let this = door.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((near, _)) = listener.accept().await else {
                    return;
                };
                opened(&this, number);
                let behind = this.behind.get().expect("a process behind the door");
                let Ok(far) = TcpStream::connect(behind).await else {
                    continue;
                };
                let ((from_near, to_near), (from_far, to_far)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(pass(from_near, to_far, this.held.subscribe()));
                tokio::spawn(pass(from_far, to_near, this.held.subscribe()));
            }
        });
        door
    }

    /// The options of the process behind it.
    fn options(&self) -> ReplicationOptions {
        ReplicationOptions {
            peer_listen: "127.0.0.1:0".parse().expect("an address"),
            advertise: Some(self.address.clone()),
            // Nobody is removed for its silence while a test runs.
            evict_after: Duration::from_secs(600),
            ..ReplicationOptions::default()
        }
    }

    /// Starts the process behind it, which joins the cluster at `seed` or forms one.
    async fn start(&self, seed: Option<&Door>) -> Node {
        let seed = seed.map(|seed| seed.address.clone());
        let node = Node::start_told(self.options(), seed).await;
        self.behind.set(node.address.clone()).expect("one process");
        node
    }
}

/// Passes on what comes, but for what is held.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut bytes = [0; 8 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let free = held.wait_for(|held| !held).await.is_ok();
        if !free || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

/// Waits until a process says of itself what `is_so` wants.
async fn published(node: &Node, what: &str, is_so: impl Fn(&Published) -> bool) {
    let waiting = async {
        while !is_so(&node.publish.published()) {
            sleep(PAUSE).await;
        }
    };
    soon(what, waiting).await;
}

/// A cluster of one behind a door, which is held from the moment in which its leader calls the one that joins at the door
/// `own`: the leader lets it in, and it does not hear of that.
async fn asked() -> (Door, Node, Node) {
    let first = Door::new(|_, _| {}).await;
    let leader = first.start(None).await;
    published(&leader, "a leader", |seen| seen.voters == 1).await;
    let held = first.held.clone();
    let own = Door::new(move |_, _| {
        held.send_replace(true);
    })
    .await;
    let joining = own.start(Some(&first)).await;
    published(&leader, "a learner", |seen| seen.learners == 1).await;
    (first, leader, joining)
}

#[tokio::test]
async fn one_that_stops_while_the_leader_lets_it_in_leaves_nothing_behind() {
    let (first, leader, joining) = asked().await;
    joining.stop();
    // It has noticed by then.
    sleep(Duration::from_millis(300)).await;
    first.held.send_replace(false);
    assert_eq!(joining.ended().await, Ended::Left);
    let seen = leader.publish.published();
    assert_eq!((seen.voters, seen.learners), (1, 0), "{seen:?}");
    leader.end().await;
}

#[tokio::test]
async fn one_that_stops_and_never_hears_whether_it_was_let_in_says_so_in_time() {
    let (first, _leader, joining) = asked().await;
    joining.stop();
    let Ended::Vanished { why } = joining.ended().await else {
        panic!("it does not know whether it is a member");
    };
    assert!(why.contains(&first.address), "{why}");
    assert!(why.contains("if it was let in"), "{why}");
}

#[tokio::test]
async fn one_that_stops_before_it_knows_its_membership_leaves_nothing_behind() {
    let first = Door::new(|_, _| {}).await;
    let leader = first.start(None).await;
    published(&leader, "a leader", |seen| seen.voters == 1).await;
    // The first call is the leader's question who is there. What the leader writes comes later.
    let own = Door::new(|door, number| {
        if number == 1 {
            door.held.send_replace(true);
        }
    })
    .await;
    let joining = own.start(Some(&first)).await;
    published(&joining, "its id", |seen| seen.node.is_some()).await;
    let seen = joining.publish.published();
    assert_eq!(
        (seen.voters, seen.learners),
        (0, 0),
        "it knows its membership"
    );
    joining.stop();
    assert_eq!(joining.ended().await, Ended::Left);
    let seen = leader.publish.published();
    assert_eq!((seen.voters, seen.learners), (1, 0), "{seen:?}");
    leader.end().await;
}
