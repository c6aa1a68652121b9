//! What comes from a registry is kept between starts, and checked each time.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::server::{DATA, Server, change};
use super::{app, assert_refused, large, push, up, up_with_cache};
use crate::harness::{Host, HostCommand};

fn path(cache: &Path, digest: &str) -> PathBuf {
    cache
        .join("registry/blobs/sha256")
        .join(digest.trim_start_matches("sha256:"))
}

fn cached(cache: &Path, digest: &str) -> PathBuf {
    let path = path(cache, digest);
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

async fn assert_serves(host: &Host) {
    let answer = host.http1().get("/env/file?path=/static/large.txt").await;
    assert_eq!(answer.json(), json!({"ok": large()}));
}

#[tokio::test]
async fn an_exact_reference_starts_again_without_its_registry() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let (tag, _) = reference.split_once('@').expect("a digest");
    assert_serves(&up_with_cache(tag, cache.path()).start()).await;
    server.stop();
    let host = up_with_cache(&reference, cache.path()).start();
    assert_serves(&host).await;
    host.logged(&["0 bytes of it were fetched"]);
    // A tag may have moved, so its registry is asked.
    assert_refused(
        up_with_cache(tag, cache.path()),
        &[tag, "cannot be reached"],
    );
}

#[tokio::test]
async fn what_was_changed_in_the_cache_is_fetched_anew() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    assert_serves(&up_with_cache(&reference, cache.path()).start()).await;
    let (_, manifest) = reference.split_once('@').expect("a digest");
    let file = super::artifacts::digest(large().as_bytes());
    assert!(server.layers(&reference, DATA).contains(&file));
    for digest in [manifest, &file] {
        let path = cached(cache.path(), digest);
        let original = std::fs::read(&path).expect("a cached blob");
        change(&path);
        let host = up_with_cache(&reference, cache.path()).start();
        assert_serves(&host).await;
        host.logged(&[
            digest.trim_start_matches("sha256:"),
            "has been changed",
            "fetched anew",
        ]);
        assert_eq!(std::fs::read(&path).expect("a cached blob"), original);
    }
    // With no registry to fetch it from it is not used either.
    server.stop();
    change(&cached(cache.path(), &file));
    assert_refused(
        up_with_cache(&reference, cache.path()),
        &["has been changed", "cannot be reached"],
    );
}

#[tokio::test]
async fn hosts_that_start_at_once_share_a_cache() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let command = up_with_cache(&reference, cache.path());
            std::thread::spawn(move || command.start())
        })
        .collect();
    for start in starts {
        assert_serves(&start.join().expect("it starts")).await;
    }
}

/// The names in a folder that hosts give what they make there.
fn left_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the temporary folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn without_a_cache_a_temporary_folder_will_do_and_nothing_is_left_of_it() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let mut host = up(&reference)
        .args(&["--disable-cache"])
        .env("TMPDIR", &temporary.path().to_string_lossy())
        .start();
    assert_serves(&host).await;
    // Only the files that the component sees are still there.
    let left = left_in(temporary.path());
    assert_eq!(left.len(), 1, "{left:?}");
    let shown = std::fs::read_dir(temporary.path().join(&left[0])).expect("the files");
    assert_eq!(shown.count(), 2, "{left:?}");
    host.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(host.wait().success());
    assert_eq!(left_in(temporary.path()), [""; 0]);
}

/// As on a read-only file system: root may write anywhere but below what is no folder.
#[tokio::test]
async fn a_default_cache_that_cannot_be_written_to_is_done_without() {
    let server = Server::start();
    let reference = push(&app(), &server, "app:v1");
    let home = tempfile::NamedTempFile::new().expect("a temporary file");
    let home = home.path().to_string_lossy();
    let command = || {
        HostCommand::bare()
            .args(&["-f", &reference, "-k"])
            .default_cache()
            .env("HOME", &home)
    };
    let host = command().start();
    assert_serves(&host).await;
    host.logged(&[
        "WARN",
        &home,
        "cannot be written to",
        "downloads everything anew",
        "--cache-dir",
    ]);

    let temporary = format!("{home}/tmp");
    assert_refused(
        command().env("TMPDIR", &temporary),
        &["can be kept nowhere", &temporary, "--cache-dir or TMPDIR"],
    );
    let named = format!("{home}/cache");
    assert_refused(
        command().args(&["--cache-dir", &named]),
        &["cannot keep what comes over the network", &named],
    );
}

#[tokio::test]
async fn what_nothing_has_used_for_a_month_is_deleted() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start();
    let old = push(&app(), &server, "old:v1");
    let new = push(
        &app().file("assets/new.txt", large() + "new"),
        &server,
        "new:v1",
    );
    assert_serves(&up_with_cache(&old, cache.path()).start()).await;
    let month_ago = SystemTime::now() - Duration::from_secs(31 * 24 * 60 * 60);
    for entry in std::fs::read_dir(cache.path().join("registry/blobs/sha256")).expect("blobs") {
        let blob = std::fs::File::open(entry.expect("a blob").path()).expect("a blob");
        blob.set_modified(month_ago).expect("its time");
    }
    let manifest = |reference: &str| {
        let (_, digest) = reference.split_once('@').expect("a digest");
        path(cache.path(), digest)
    };
    assert!(manifest(&old).exists());
    // What they share is used by this one.
    assert_serves(&up_with_cache(&new, cache.path()).start()).await;
    assert!(manifest(&new).exists() && !manifest(&old).exists());
    let shared = super::artifacts::digest(large().as_bytes());
    assert!(path(cache.path(), &shared).exists());
    assert_serves(&up_with_cache(&old, cache.path()).start()).await;
}
