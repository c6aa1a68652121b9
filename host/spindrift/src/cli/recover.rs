//! `spindrift recover`: makes a cluster of one node that is left, after the majority is lost for good.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use spindrift_replication::NodeStatus;
use spindrift_replication::remote::{self, Recovery};

use super::CredentialArgs;
use super::replication::parse_node;

/// What `spindrift recover` can be told.
#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// The node that keeps its data. Of the nodes that are left, choose the one with the highest revision in `spindrift
    /// status`
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_node)]
    pub from: String,

    /// Form the cluster. Without this flag the command changes nothing, and says what the node holds
    #[arg(long)]
    pub accept_data_loss: bool,

    /// The cluster's secrets.
    #[command(flatten)]
    pub credentials: CredentialArgs,
}

/// Asks the node to recover, or what it holds.
///
/// # Errors
///
/// A node that cannot be reached or refuses, credentials that cannot be read, and that `--accept-data-loss` is needed.
pub(super) fn recover(args: &RecoverArgs) -> Result<ExitCode> {
    let credentials = args.credentials.credentials()?;
    let accept = args.accept_data_loss;
    let recovery = super::ask(remote::recover(&args.from, &credentials, accept))?;
    let report = report(&args.from, accept, &recovery)?;
    writeln!(std::io::stdout(), "{report}").context("standard output cannot be written to")?;
    Ok(ExitCode::SUCCESS)
}

/// What to print.
fn report(from: &str, accepted: bool, recovery: &Recovery) -> Result<String> {
    let Recovery {
        revision, entries, ..
    } = recovery;
    let others = others(recovery);
    match &recovery.formed {
        Some(formed) => Ok(format!(
            "The node at {from} is node {} of the new cluster {}, alone, at revision {revision} with {entries} entries. \
             Writes that only other nodes held are lost.{others} Add nodes with `spindrift up --join {from}`.",
            formed.node, formed.cluster
        )),
        None if accepted => bail!(
            "the node at {from} has changed nothing, though it was told to; it is at revision {revision} with {entries} \
             entries. Look at its log"
        ),
        None => bail!(
            "nothing was changed. The node at {from} is at revision {revision} with {entries} entries; making a cluster of it \
             gives up every write that only other nodes hold.{others} If that is what you want, repeat this with \
             --accept-data-loss"
        ),
    }
}

/// What becomes of the other nodes of the old cluster, and whether one of them would have been the better choice.
fn others(recovery: &Recovery) -> String {
    let mut text = String::new();
    let mut sentence = |sentence: String| {
        text.push(' ');
        text.push_str(&sentence);
    };
    for other in &recovery.others {
        let NodeStatus {
            node,
            address,
            revision,
            ..
        } = other;
        let node = node.map_or_else(|| "The node".to_owned(), |node| format!("Node {node}"));
        let revision = revision.unwrap_or(0);
        sentence(if revision > recovery.revision {
            format!(
                "WARNING: {} at {address} is left as well and holds a higher revision, {revision}: --from {address} keeps \
                 more.",
                node.to_lowercase()
            )
        } else {
            format!("{node} at {address} is left as well, at revision {revision}.")
        });
    }
    sentence(
        "Nodes of the old cluster that are left, or come back without a majority, begin anew by themselves, join the new \
         cluster, and lose what only they hold."
            .to_owned(),
    );
    text
}

#[cfg(test)]
mod tests {
    use spindrift_replication::Role;
    use spindrift_replication::remote::Formed;

    use super::*;

    const HELD: Recovery = Recovery {
        revision: 41,
        entries: 17,
        others: Vec::new(),
        formed: None,
    };

    fn other(node: u64, revision: u64) -> NodeStatus {
        NodeStatus {
            node: Some(node),
            role: Role::Follower,
            address: format!("node-{node}:7000"),
            version: "0.1.0".into(),
            protocol: None,
            machine: None,
            term: None,
            revision: Some(revision),
            lag: None,
            heard: None,
            health: "ok".into(),
        }
    }

    #[test]
    fn what_becomes_of_the_others_is_said_and_which_of_them_holds_more() {
        let recovery = Recovery {
            others: vec![other(2, 40), other(3, 41), other(4, 42)],
            ..HELD
        };
        let error = report("node-1:7000", false, &recovery)
            .unwrap_err()
            .to_string();
        let warning =
            "WARNING: node 4 at node-4:7000 is left as well and holds a higher revision, 42";
        for part in [
            "Node 2 at node-2:7000 is left as well, at revision 40.",
            "Node 3 at node-3:7000 is left as well, at revision 41.",
            warning,
            "--from node-4:7000",
            "lose what only they hold",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(error.matches("WARNING").count(), 1, "{error}");
    }

    #[test]
    fn what_is_held_is_said_and_that_the_flag_is_needed() {
        let error = report("node-1:7000", false, &HELD).unwrap_err().to_string();
        for part in [
            "nothing was changed",
            "node-1:7000",
            "revision 41",
            "17 entries",
            "--accept-data-loss",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_new_cluster_is_named() {
        let recovery = Recovery {
            formed: Some(Formed {
                cluster: "00112233445566778899aabbccddeeff".into(),
                node: 9,
            }),
            ..HELD
        };
        let text = report("node-1:7000", true, &recovery).unwrap();
        for part in [
            "node 9",
            "00112233445566778899aabbccddeeff",
            "revision 41",
            "--join node-1:7000",
            "begin anew by themselves",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn nothing_done_is_no_success() {
        let error = report("node-1:7000", true, &HELD).unwrap_err().to_string();
        assert!(error.contains("changed nothing"), "{error}");
    }
}
