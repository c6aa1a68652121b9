//! Compiled components are kept between starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::assert_refused;
use crate::harness::App;

/// The compiled components in a cache, with the times when they were written.
fn compiled(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the cache") {
            let path = entry.expect("an entry of the cache").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none() {
                // Files with an extension say how often a component was used.
                let written = path.metadata().and_then(|metadata| metadata.modified());
                found.insert(path, written.expect("the time of a file"));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let args = ["--cache-dir", &cache.path().to_string_lossy()];
    let app = || App::new().guest("trouble", "");
    app()
        .start(&args)
        .http1()
        .get("/trouble/count")
        .await
        .expect(200);
    let first = compiled(cache.path());
    assert_eq!(first.len(), 1, "{first:?}");
    for _ in 0..2 {
        let host = app().start(&args);
        host.http1().get("/trouble/count").await.expect(200);
        assert_eq!(compiled(cache.path()), first);
    }
    // Another component is another entry.
    App::new().guest("trouble2", "").start(&args);
    let second = compiled(cache.path());
    assert_eq!(second.len(), 2, "{second:?}");
}

/// Wasmtime tidies its cache, and deletes what it does not know.
#[tokio::test]
async fn what_else_is_in_the_folder_is_left_alone() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let other = cache.path().join("other");
    std::fs::create_dir(&other).expect("a folder beside the cache");
    let args = ["--cache-dir", &cache.path().to_string_lossy()];
    App::new().guest("vars3", "").start(&args);
    let mut entries: Vec<_> = std::fs::read_dir(cache.path())
        .expect("the folder of the cache")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    entries.sort();
    assert_eq!(entries, ["compiled-components", "other"]);
}

#[tokio::test]
async fn the_cache_can_be_turned_off() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let folder = cache.path().join("components");
    let args = ["--disable-cache", "--cache-dir", &folder.to_string_lossy()];
    App::new()
        .guest("vars3", "")
        .start(&args)
        .http1()
        .get("/vars3/none")
        .await
        .expect(404);
    assert!(!folder.exists() || compiled(&folder).is_empty());
}

#[tokio::test]
async fn a_damaged_cache_is_compiled_anew() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let args = ["--cache-dir", &cache.path().to_string_lossy()];
    App::new().guest("vars3", "").start(&args);
    for file in compiled(cache.path()).keys() {
        std::fs::write(file, "damaged").expect("a file of the cache");
    }
    App::new()
        .guest("vars3", "")
        .start(&args)
        .http1()
        .get("/vars3/none")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let folder = file.path().join("below");
    let folder = folder.to_string_lossy();
    assert_refused(
        App::new()
            .guest("trouble", "")
            .command()
            .args(&["--cache-dir", &folder]),
        &[&folder],
    );
}
