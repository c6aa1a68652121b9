//! A token's file that changes while a process follows it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::network::ClusterToken;
use crate::network::stamp::Stamp;
use crate::network::trust::{LOOK_INTERVAL, follow_file};

const OLD: &str = "the-old-secret-of-all-nodes";
const NEW: &str = "the-new-secret-of-all-nodes";

/// A file that is followed, and what was taken from it.
struct Followed {
    file: PathBuf,
    taken: Arc<Mutex<Vec<Vec<String>>>>,
    attempts: Arc<AtomicUsize>,
    following: JoinHandle<()>,
    _folder: TempDir,
}

impl Followed {
    /// With the old token, followed by a process that fails so often to take what it is given. Half of an interval passes
    /// between a change by the test and a look.
    async fn begin(failures: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, OLD).expect("a file");
        let (taken, attempts) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let (takes, tries) = (taken.clone(), attempts.clone());
        let take = move |token: &ClusterToken| {
            if tries.fetch_add(1, Ordering::Relaxed) < failures {
                return Err("there is no memory".to_owned());
            }
            let secrets = token
                .trusted()
                .map(|token| String::from_utf8_lossy(token.secret()).into_owned());
            takes.lock().push(secrets.collect());
            Ok(())
        };
        let following = tokio::spawn(follow_file(file.clone(), Stamp::of(&file), take));
        sleep(LOOK_INTERVAL / 2).await;
        Followed {
            file,
            taken,
            attempts,
            following,
            _folder: folder,
        }
    }

    fn write(&self, content: &str) {
        fs::write(&self.file, content).expect("a file");
    }

    /// What was taken so far.
    fn taken(&self) -> Vec<Vec<String>> {
        self.taken.lock().clone()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn looks(count: u32) {
    sleep(LOOK_INTERVAL * count).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_taken_for_what_it_is_to_have() {
    let followed = Followed::begin(0).await;
    // Each of these is a token, or two of them.
    let whole = format!("{NEW}\n{OLD}\n");
    for end in [NEW.len() - 7, NEW.len(), whole.len() - 2] {
        followed.write(&whole[..end]);
        looks(1).await;
        assert_eq!(followed.taken(), Vec::<Vec<String>>::new(), "{end} bytes");
    }
    followed.write(&whole);
    looks(2).await;
    assert_eq!(followed.taken(), [[NEW, OLD]]);
    // It is taken once, and no look after that changes anything.
    looks(5).await;
    assert_eq!(followed.attempts.load(Ordering::Relaxed), 1);
    followed.write(OLD);
    looks(2).await;
    assert_eq!(followed.taken(), [vec![NEW, OLD], vec![OLD]]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_taken_is_tried_again() {
    let followed = Followed::begin(3).await;
    followed.write(NEW);
    looks(4).await;
    assert_eq!(followed.attempts.load(Ordering::Relaxed), 3);
    assert_eq!(followed.taken(), Vec::<Vec<String>>::new());
    looks(1).await;
    assert_eq!(followed.taken(), [[NEW]]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_use_is_looked_at_again() {
    let followed = Followed::begin(0).await;
    followed.write("short");
    looks(5).await;
    fs::remove_file(&followed.file).expect("removed");
    looks(5).await;
    assert_eq!(followed.attempts.load(Ordering::Relaxed), 0);
    followed.write(NEW);
    looks(2).await;
    assert_eq!(followed.taken(), [[NEW]]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_change_is_not_read() {
    let followed = Followed::begin(0).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(followed.attempts.load(Ordering::Relaxed), 0);
}
