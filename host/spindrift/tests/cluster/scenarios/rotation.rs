//! The cluster token is replaced by another one while the cluster serves, by a change of each node's file alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::command::spindrift;
use super::joining::logged;
use crate::checking::checker::check;
use crate::checking::history::History;
use crate::load::tally::{Tally, gave_up};
use crate::load::workload::Workload;
use crate::nodes::cluster::{Cluster, NodeIndex};
use crate::nodes::process::Finds;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Clients that wait for an answer; those that give up early would call that a failure.
const CLIENTS: usize = 12;

const OLD: &str = "the-old-secret-of-all-nodes";
const NEW: &str = "the-new-secret-of-all-nodes";

/// What is said of a file with one token, and of one with two.
const ONE: &str = "trusts the one token";
const TWO: &str = "trusts both";

/// The file of one node, as Kubernetes shows a Secret: behind a link, which comes to lead elsewhere.
struct Mounted {
    folder: PathBuf,
    versions: usize,
}

impl Mounted {
    fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        symlink("data/token", folder.join("token")).expect("a link");
        let mut mounted = Self {
            folder,
            versions: 0,
        };
        mounted.show(OLD);
        mounted
    }

    fn flag(&self) -> [String; 2] {
        let file = self.folder.join("token").to_string_lossy().into_owned();
        ["--cluster-token-file".to_owned(), file]
    }

    fn show(&mut self, content: &str) {
        self.versions += 1;
        let version = self.folder.join(format!("version-{}", self.versions));
        fs::create_dir(&version).expect("a folder");
        fs::write(version.join("token"), content).expect("a file");
        let next = self.folder.join("next");
        symlink(&version, &next).expect("a link");
        fs::rename(next, self.folder.join("data")).expect("a link");
    }
}

/// Waits until a node has said so often what its file has.
async fn has_read(cluster: &Cluster, node: NodeIndex, said: &str, times: usize) {
    eventually(
        format!("{} says {said:?}", cluster[node].name()),
        async || {
            let log = cluster[node].log();
            (log.matches(said).count() == times)
                .then_some(())
                .ok_or(log)
        },
    )
    .await;
}

#[test]
fn a_token_is_replaced_under_load_and_no_request_fails() {
    on_network(6 * PATIENCE, async |network| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut cluster = Cluster::empty(network, Settings::default());
        let mut files = Vec::new();
        for number in 0..3 {
            let file = Mounted::new(folder.path(), &format!("n{number}"));
            let finds = match number {
                0 => Finds::Bootstrap,
                _ => Finds::Join(cluster.peers()),
            };
            cluster.add_told(&finds, &file.flag());
            files.push(file);
        }
        cluster.agreed().await;
        let leader = cluster.leader().await;
        let term = cluster.view(leader).await.expect("a view").term;

        let history = History::default();
        let workload = Workload::start(&cluster.directory(), &history, CLIENTS, 7);
        let steps = [
            (format!("{OLD}\n{NEW}\n"), TWO, 1),
            (format!("{NEW}\n{OLD}\n"), TWO, 2),
            (NEW.to_owned(), ONE, 1),
        ];
        for (content, said, times) in &steps {
            for (node, file) in files.iter_mut().enumerate() {
                // What is no token leaves all as it is, and is said.
                file.show("short");
                logged(&cluster, node, &["WARN", "no use", "5 bytes"]).await;
                file.show(content);
                has_read(&cluster, node, said, *times).await;
            }
        }
        cluster.agreed().await;
        workload.finish().await;

        let operations = history.operations();
        // Whether a client that gives up would have been answered is not known.
        let tally = Tally::of(operations.iter().filter(|o| !gave_up(o)));
        println!("{tally}");
        assert_eq!(tally.failed + tally.unknown, 0, "{tally}");
        let report = check(&operations);
        assert!(report.is_linearizable(), "{report}");
        let leader = cluster.leader().await;
        let view = cluster.view(leader).await.expect("a view");
        println!("term {term} before, {} after", view.term);

        // The old token opens nothing now, and the new one does.
        let peer = cluster[leader].addresses.peer.to_string();
        let late = Mounted::new(folder.path(), "late");
        let flag = late.flag();
        let asked = spindrift(&["status", "--node", &peer, &flag[0], &flag[1]]).await;
        assert_eq!(asked.code, Some(1), "{asked:?}");
        assert!(asked.stderr.contains(&peer), "{asked:?}");
        assert!(
            asked.stderr.contains("cluster token is another one"),
            "{asked:?}"
        );
        let flag = files[0].flag();
        let asked = spindrift(&["status", "--node", &peer, &flag[0], &flag[1]]).await;
        assert_eq!(asked.code, Some(0), "{asked:?}");
        // A node that starts with the old one is let in once its file has the new one, without a restart.
        let mut late = late;
        let joining = Finds::Join(cluster.peers());
        let node = cluster.add_told(&joining, &late.flag());
        logged(&cluster, node, &["WARN", "cluster token is another one"]).await;
        late.show(NEW);
        cluster.agreed().await;
    });
}
