//! `spindrift status`: asks a node for the state of its cluster, and prints it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{CellAlignment, Row, Table, presets};
use spindrift_replication::{NodeStatus, Status, remote};

use super::CredentialArgs;
use super::exit_code::NO_LEADER;
use super::print::print;
use super::printable::printable;
use super::replication::parse_node;
use crate::logging;

const COLUMNS: [&str; 9] = [
    "NODE", "ROLE", "ADDRESS", "TERM", "REVISION", "LAG", "HEARD", "HEALTH", "VERSION",
];

/// The columns whose cells are numbers, which are read from their right ends.
const NUMBERS: [usize; 4] = [3, 4, 5, 6];

/// What `spindrift status` can be told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
TERM and REVISION are those of each node. LAG is the number of log entries that it is behind, and HEARD the time since the \
leader last heard from it. `-` means that the asked node does not know. An asterisk marks the leader.

The exit code is 0 if there is a leader, 1 if the node cannot be reached or refuses, 2 for wrong usage, and 3 if there is \
no leader.")]
pub struct StatusArgs {
    /// The node to ask: any of the cluster
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7000", value_parser = parse_node)]
    pub node: String,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,

    /// The cluster's secrets.
    #[command(flatten)]
    pub credentials: CredentialArgs,
}

/// Asks and prints.
///
/// # Errors
///
/// A node that cannot be reached or refuses, and credentials that cannot be read.
pub(super) fn status(args: &StatusArgs) -> Result<ExitCode> {
    let credentials = args.credentials.credentials()?;
    let status = super::ask(remote::status(&args.node, &credentials))?;
    let text = if args.json {
        let mut json =
            serde_json::to_string_pretty(&status).context("the status cannot be written")?;
        json.push('\n');
        json
    } else {
        render(&status)
    };
    print(text)?;
    if status.leader.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    logging::say(&format!(
        "The node at {} knows no leader: writes and linearizable reads wait until a majority of the voters is back.",
        args.node
    ));
    Ok(ExitCode::from(NO_LEADER))
}

/// The table, under a line about the cluster.
fn render(status: &Status) -> String {
    let mut table = Table::new();
    // Columns set apart by space alone, for people and for `awk`.
    table.load_style(presets::NOTHING).set_header(COLUMNS);
    for node in &status.nodes {
        table.add_row(row(node, status.leader));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        // Under NOTHING the one space to the right is all that is between columns.
        column.set_padding((0, 2));
        if NUMBERS.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!(
        "application {}, cluster {}, term {}, as node {} sees it\n",
        cell(&status.application),
        status.cluster.as_deref().map_or("-".into(), cell),
        status.term,
        known(status.node)
    );
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(node: &NodeStatus, leader: Option<u64>) -> Row {
    let mark = if leader.is_some() && node.node == leader {
        "*"
    } else {
        ""
    };
    Row::from([
        format!("{}{mark}", known(node.node)),
        node.role.to_string(),
        cell(&node.address),
        known(node.term),
        known(node.revision),
        known(node.lag),
        node.heard.map_or("-".into(), ago),
        cell(&node.health),
        cell(&node.version),
    ])
}

fn known(number: Option<u64>) -> String {
    number.map_or("-".into(), |number| number.to_string())
}

/// As precise as it matters: milliseconds below a second, tenths of a second below a minute, then seconds.
fn ago(heard: Duration) -> String {
    match heard.as_secs() {
        0 => format!("{}ms", heard.as_millis()),
        1..60 => format!("{:.1}s", heard.as_secs_f64()),
        seconds => format!("{seconds}s"),
    }
}

/// What a node says of itself, short enough for a table.
fn cell(text: &str) -> String {
    let text: String = text.chars().take(MAX_CELL_CHARS).collect();
    if text.is_empty() {
        "-".into()
    } else {
        printable(&text)
    }
}

/// The longest cell. It has room for any host name and for a sentence.
const MAX_CELL_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use spindrift_replication::Role;

    use super::*;

    fn node(node: u64, role: Role) -> NodeStatus {
        NodeStatus {
            node: Some(node),
            role,
            address: format!("10.0.0.{node}:7000"),
            version: "0.1.0".into(),
            protocol: Some(5),
            machine: None,
            term: Some(7),
            revision: Some(1000 + node),
            lag: Some(0),
            heard: Some(Duration::from_millis(12)),
            health: "ok".into(),
        }
    }

    fn cluster() -> Status {
        Status {
            application: "shop".into(),
            cluster: Some("00112233445566778899aabbccddeeff".into()),
            node: Some(2),
            leader: Some(1),
            term: 7,
            nodes: vec![
                NodeStatus {
                    heard: None,
                    ..node(1, Role::Leader)
                },
                node(2, Role::Follower),
                NodeStatus {
                    term: None,
                    revision: None,
                    lag: Some(12_345),
                    heard: Some(Duration::from_millis(61_500)),
                    health: "silent".into(),
                    ..node(11, Role::Learner)
                },
            ],
        }
    }

    #[test]
    fn a_cluster_is_a_table() {
        let expected = "\
application shop, cluster 00112233445566778899aabbccddeeff, term 7, as node 2 sees it
NODE  ROLE      ADDRESS         TERM  REVISION    LAG  HEARD  HEALTH  VERSION
1*    leader    10.0.0.1:7000      7      1001      0      -  ok      0.1.0
2     follower  10.0.0.2:7000      7      1002      0   12ms  ok      0.1.0
11    learner   10.0.0.11:7000     -         -  12345    61s  silent  0.1.0
";
        assert_eq!(render(&cluster()), expected);
    }

    #[test]
    fn a_node_in_no_cluster_is_one_too() {
        let joining = Status {
            application: "shop".into(),
            cluster: None,
            node: None,
            leader: None,
            term: 0,
            nodes: vec![NodeStatus {
                node: None,
                term: None,
                revision: None,
                lag: None,
                heard: None,
                health: "looking for a cluster at node-1:7000".into(),
                ..node(1, Role::Joining)
            }],
        };
        let text = render(&joining);
        assert!(
            text.starts_with("application shop, cluster -, term 0, as node - sees it\n"),
            "{text}"
        );
        // No id is no leader's id.
        assert!(!text.contains('*'), "{text}");
        assert!(
            text.contains("looking for a cluster at node-1:7000  0.1.0"),
            "{text}"
        );
    }

    #[test]
    fn what_nodes_say_is_no_instruction_to_the_terminal() {
        let mut status = cluster();
        status.application = "a\u{1b}[2Jb".into();
        status.nodes[1].health = "x\ny\u{9b}31m\tz".into();
        status.nodes[2].version = "v".repeat(100_000);
        let text = render(&status);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.len() < 5000);
    }

    #[test]
    fn times_are_as_precise_as_it_matters() {
        for (millis, shown) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_250, "1.2s"),
            (59_900, "59.9s"),
            (3_600_000, "3600s"),
        ] {
            assert_eq!(ago(Duration::from_millis(millis)), shown);
        }
    }
}
