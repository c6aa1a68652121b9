//! One node that crashes, and others that are asked to end before or after it, long before the crashed one is removed for its
//! silence: while a node that has caught up is alive, the store goes on by itself, with everything that was acknowledged.
//!
//! These are some of the orders. All of them, and other times between, are in the simulation.

use std::time::Duration;

use super::acknowledged::Acknowledged;
use crate::checking::checker::check;
use crate::checking::history::History;
use crate::load::workload::Workload;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Clients at work meanwhile.
const CLIENTS: usize = 6;

/// Writes that have to be there, for each order.
const WRITES: usize = 10;

/// What a node is when it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader,
    Follower,
}

use Role::{Follower, Leader};

/// When the nodes are asked to end that are asked after the crash.
#[derive(Clone, Copy, Debug)]
enum When {
    /// In the moment of the crash.
    AtOnce,
    /// In the moment in which a leader is seen: within the first ones of its term, where it was the leader that crashed.
    OnceLed,
    /// So long after it.
    After(Duration),
}

/// What happens to a cluster.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// Those that are asked to end before the crash, at once.
    before: &'static [Role],
    /// The one that crashes.
    crashed: Role,
    /// When the others are asked.
    when: When,
    /// Those that are asked to end after the crash.
    after: &'static [Role],
    /// Whether each of them has ended before the next one is asked.
    in_turn: bool,
}

impl Order {
    const fn new(crashed: Role, when: When, after: &'static [Role]) -> Self {
        Self {
            before: &[],
            crashed,
            when,
            after,
            in_turn: false,
        }
    }
}

#[test]
fn three_voters() {
    run(
        3,
        &[],
        &[
            Order::new(Follower, When::After(Duration::from_secs(5)), &[Leader]),
            Order::new(Leader, When::AtOnce, &[Follower]),
            Order::new(Leader, When::OnceLed, &[Leader]),
            Order::new(Leader, When::OnceLed, &[Follower]),
            Order::new(Follower, When::AtOnce, &[Follower]),
            Order::new(Follower, When::AtOnce, &[Leader, Follower]),
        ],
    );
}

#[test]
fn three_voters_that_go_on_for_a_while_when_they_are_asked_to_end() {
    run(
        3,
        &["--shutdown-delay", "300ms"],
        &[
            Order::new(Leader, When::OnceLed, &[Leader]),
            Order::new(Follower, When::AtOnce, &[Leader]),
        ],
    );
}

#[test]
fn five_voters() {
    run(
        5,
        &[],
        &[
            Order::new(Leader, When::OnceLed, &[Leader, Follower, Follower]),
            Order {
                in_turn: true,
                ..Order::new(Follower, When::AtOnce, &[Leader, Leader, Leader])
            },
            Order {
                before: &[Leader, Follower],
                ..Order::new(Follower, When::AtOnce, &[Follower])
            },
        ],
    );
}

/// What is left then is no majority, so the node that goes says to whom goes on what it knows.
#[test]
fn a_node_that_cannot_leave_says_what_is_left() {
    on_network(3 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 5, settings(5, &[])).await;
        let mut written = Acknowledged::default();
        written.put(WRITES, &mut cluster).await;
        let running = cluster.running();
        let (goes, stays) = (running[0], running[1]);
        written.held_by(&cluster, stays).await;
        let revision = cluster.view(stays).await.expect("a view").revision;
        for &node in &running[2..] {
            cluster.kill(node);
        }
        let status = cluster.terminate(goes).await;
        assert_eq!(status.code(), Some(0), "{}", cluster[goes].log_end());
        let log = cluster[goes].log();
        let address = cluster[stays].addresses.peer;
        for expected in [
            "could not leave its cluster".to_owned(),
            format!("at {address} has revision {revision}"),
            "1 of the cluster's 5 voters are left, and 3 are needed".to_owned(),
            format!("`spindrift recover --from {address}`"),
        ] {
            assert!(log.contains(&expected), "{expected}: {log}");
        }
    });
}

/// Nobody is removed for silence alone while a test runs.
fn settings(voters: usize, flags: &[&str]) -> Settings {
    Settings {
        voters,
        evict_after: Duration::from_secs(600),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..Settings::default()
    }
}

/// Does all of `orders` to one cluster, which is made whole again after each.
fn run(size: usize, flags: &[&str], orders: &[Order]) {
    let limit = PATIENCE * u32::try_from(orders.len() + 1).expect("a few orders");
    on_network(limit, async |network| {
        let mut cluster = Cluster::start(network, size, settings(size, flags)).await;
        let history = History::default();
        let workload = Workload::start(&cluster.directory(), &history, CLIENTS, 1);
        let mut written = Acknowledged::default();
        for order in orders {
            println!("{order:?}");
            history.event(format!("{order:?}"));
            written.put(WRITES, &mut cluster).await;
            let ended = inflict(order, &mut cluster).await;
            if cluster.running().is_empty() {
                break;
            }
            written.put_at_last(&mut cluster).await;
            written.all_everywhere(&mut cluster).await;
            cluster.restart(ended.crashed);
            for _ in ended.stopped {
                cluster.add();
            }
            cluster.agreed().await;
        }
        workload.finish().await;
        let report = check(&history.operations());
        assert!(report.is_linearizable(), "{report}");
    });
}

/// Those that have ended.
struct Ended {
    crashed: NodeIndex,
    stopped: Vec<NodeIndex>,
}

/// Does `order` to a cluster whose nodes agree, and waits for the ends of all that are asked for it.
async fn inflict(order: &Order, cluster: &mut Cluster) -> Ended {
    let mut stopped = Vec::new();
    for role in order.before {
        let node = pick(cluster, *role, &stopped).await;
        cluster[node].terminate();
        stopped.push(node);
    }
    let crashed = pick(cluster, order.crashed, &stopped).await;
    cluster.kill(crashed);
    match order.when {
        When::AtOnce => {}
        When::OnceLed => {
            cluster.leader().await;
        }
        When::After(time) => tokio::time::sleep(time).await,
    }
    for role in order.after {
        let node = pick(cluster, *role, &stopped).await;
        cluster[node].terminate();
        stopped.push(node);
        if order.in_turn {
            cluster[node].wait().await;
        }
    }
    for &node in &stopped {
        let status = cluster[node].wait().await;
        let name = cluster[node].name().to_owned();
        let log = cluster[node].log_end();
        assert_eq!(status.code(), Some(0), "{name}: {log}");
        assert!(!log.contains("could not leave"), "{name}: {log}");
    }
    // Clients are told that they are gone.
    cluster.announce();
    Ended { crashed, stopped }
}

/// A node that runs and was not asked to end: the leader, once there is one of that kind, or another one, if there is one.
async fn pick(cluster: &mut Cluster, role: Role, stopped: &[NodeIndex]) -> NodeIndex {
    eventually(format!("a {role:?}"), async || {
        let leader = cluster.leader_now().await.ok();
        let mut running = cluster.running();
        running.retain(|node| !stopped.contains(node));
        let leads = |node: &&NodeIndex| Some(**node) == leader;
        let found = match role {
            Leader => running.iter().find(leads),
            Follower => running.iter().find(|node| !leads(node)).or(running.first()),
        };
        found
            .copied()
            .ok_or_else(|| format!("{leader:?} leads, {stopped:?} go"))
    })
    .await
}
