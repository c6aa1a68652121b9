//! What nodes prove themselves to each other with: a token, or certificates.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::acknowledged::Acknowledged;
use super::command::{spindrift, spindrift_as_member};
use super::joining::logged;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Waits until a node says why it is in no cluster, and checks that the cluster is as it was.
async fn stays_outside(cluster: &Cluster, stranger: NodeIndex, word: &str) {
    eventually(format!("the log says {word:?}"), async || {
        let log = cluster[stranger].log();
        log.contains(word).then_some(()).ok_or(log)
    })
    .await;
    let view = cluster.view(0).await.expect("a view");
    assert_eq!((view.voters, view.learners), (1, 0), "{view:?}");
}

#[test]
fn a_node_with_another_token_stays_outside() {
    on_network(2 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 1, Settings::default()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wrong = folder.path().join("token");
        fs::write(&wrong, "not-the-secret-that-nodes-share").expect("a file");
        let wrong = wrong.to_string_lossy().into_owned();
        let seeds = Finds::Join(cluster.peers());
        let flags = ["--cluster-token-file".to_owned(), wrong.clone()];
        let stranger = cluster.add_told(&seeds, &flags);
        stays_outside(&cluster, stranger, "cluster token is another one").await;
        // Both say it, each with the other's address, and not each time.
        let from = cluster[stranger].addresses.peer.ip().to_string();
        let refused = ["WARN", &from, "has another one", "--cluster-token-file"];
        logged(&cluster, 0, &refused).await;
        let peer = cluster[0].addresses.peer.to_string();
        let refused = ["WARN", &peer, "cluster token is another one"];
        logged(&cluster, stranger, &refused).await;
        let lines = cluster[0].log().matches("is refused").count();
        assert!(lines <= 2, "{lines} lines");

        // Without a token, with another one, and with what a cluster with certificates wants.
        let ours = certificates(folder.path(), "ours");
        let with: [(&[String], &str); 3] = [
            (&[], "the cluster token is missing"),
            (&flags, "cluster token is another one"),
            (&ours, "proves itself with a cluster token"),
        ];
        for command in ["status", "recover"] {
            let node = if command == "status" {
                "--node"
            } else {
                "--from"
            };
            for (credentials, words) in with {
                let mut asked = vec![command, node, &peer];
                asked.extend(credentials.iter().map(String::as_str));
                let asked = spindrift(&asked).await;
                assert_eq!(asked.code, Some(1), "{asked:?}");
                assert!(asked.stderr.contains(words), "{asked:?}");
                assert!(asked.stderr.contains(&peer), "{asked:?}");
            }
        }
        let asked = spindrift_as_member(&cluster, &["status", "--node", &peer]).await;
        assert_eq!(asked.code, Some(0), "{asked:?}");
    });
}

#[test]
fn a_node_that_others_can_reach_wants_to_know_who_they_are() {
    on_network(2 * PATIENCE, async |network| {
        let settings = Settings {
            token: None,
            ..Settings::default()
        };
        let mut cluster = Cluster::empty(network, settings);
        let node = cluster.add_told(&Finds::Bootstrap, &[]);
        let status = cluster[node].wait().await;
        assert!(!status.success(), "{status}");
        let log = cluster[node].log();
        assert!(
            log.contains("--cluster-token-file") && log.contains("--peer-tls-cert"),
            "{log}"
        );
    });
}

/// Writes an authority's certificate, and one with its key for a node at any of the test's addresses; returns the flags.
fn certificates(folder: &Path, name: &str) -> Vec<String> {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let addresses: Vec<String> = (1..=8).map(|n| format!("10.77.0.{n}")).collect();
    let node_key = key();
    let node = CertificateParams::new(addresses)
        .and_then(|params| params.signed_by(&node_key, &authority))
        .expect("a certificate");
    let write = |kind: &str, content: &str| {
        let path = folder.join(format!("{name}-{kind}.pem"));
        fs::write(&path, content).expect("a file");
        path.to_string_lossy().into_owned()
    };
    vec![
        "--peer-tls-cert".to_owned(),
        write("cert", &node.pem()),
        "--peer-tls-key".to_owned(),
        write("key", &node_key.serialize_pem()),
        "--peer-tls-ca".to_owned(),
        write("ca", &authority.pem()),
    ]
}

#[test]
fn certificates_are_enough_and_those_of_others_are_not() {
    on_network(3 * PATIENCE, async |network| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ours = certificates(folder.path(), "ours");
        let theirs = certificates(folder.path(), "theirs");
        let mut cluster = Cluster::empty(
            network,
            Settings {
                token: None,
                ..Settings::default()
            },
        );
        let first = cluster.add_told(&Finds::Bootstrap, &ours);
        cluster.agreed().await;

        let seeds = Finds::Join(cluster.peers());
        let stranger = cluster.add_told(&seeds, &theirs);
        stays_outside(&cluster, stranger, "certificate").await;
        cluster.kill(stranger);

        for _ in 0..2 {
            cluster.add_told(&seeds, &ours);
        }
        cluster.agreed().await;
        let mut written = Acknowledged::default();
        written.put(20, &mut cluster).await;
        written.all_everywhere(&mut cluster).await;

        let peer = cluster[first].addresses.peer.to_string();
        let without = spindrift(&["status", "--node", &peer]).await;
        assert_eq!(without.code, Some(1), "{without:?}");
        let mut with = vec!["status", "--node", &peer];
        with.extend(ours.iter().map(String::as_str));
        let with = spindrift(&with).await;
        assert_eq!(with.code, Some(0), "{with:?}");
    });
}
