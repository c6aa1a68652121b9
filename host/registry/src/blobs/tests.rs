use super::*;

fn blobs(cache: &Path) -> Blobs {
    Blobs::open(Some(cache)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_is_put_is_there_for_the_next_process() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let digest = Digest::of(b"abc");
    assert!(!blobs(cache.path()).has(&digest));
    assert_eq!(blobs(cache.path()).put(&digest, b"abc").ok(), Some(None));
    let next = blobs(cache.path());
    assert!(next.has(&digest));
    assert_eq!(next.read(&digest, 3).as_deref(), Some(&b"abc"[..]));
    let file = next.root().join(Blobs::relative_path(&digest));
    assert_eq!(std::fs::read(file).ok().as_deref(), Some(&b"abc"[..]));
    drop(InUse::from(next));
    assert!(blobs(cache.path()).has(&digest));
}

#[test]
fn what_has_another_digest_is_not_kept() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let blobs = blobs(cache.path());
    let digest = Digest::of(b"abc");
    assert_eq!(
        blobs.put(&digest, b"abd").ok(),
        Some(Some(Digest::of(b"abd")))
    );
    assert!(!blobs.has(&digest));
    let left = std::fs::read_dir(blobs.root().join(INCOMING)).expect("the folder is there");
    assert_eq!(left.count(), 0);
}

#[test]
fn what_has_been_changed_is_thrown_away() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let blobs = blobs(cache.path());
    let digest = Digest::of(b"abc");
    for has in [
        Blobs::has as fn(&Blobs, &Digest) -> bool,
        |blobs, digest| blobs.read(digest, 100).is_some(),
        // Longer than may be read.
        |blobs, digest| blobs.read(digest, 2).is_some(),
    ] {
        blobs.put(&digest, b"abc").expect("it is written");
        let path = blobs.path(&digest);
        std::fs::write(&path, "abcd").expect("it is changed");
        assert!(!has(&blobs, &digest));
        assert!(!path.exists());
    }
}

#[test]
fn without_a_cache_the_folder_is_a_temporary_one() {
    let blobs = Blobs::open(None).unwrap_or_else(|error| panic!("{error}"));
    let digest = Digest::of(b"abc");
    assert_eq!(blobs.put(&digest, b"abc").ok(), Some(None));
    assert!(blobs.has(&digest));
    let root = blobs.root().to_owned();
    let in_use = InUse::from(blobs);
    assert!(root.exists());
    drop(in_use);
    assert!(!root.exists());
}

#[test]
fn a_cache_that_cannot_be_written_to_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let error = Blobs::open(Some(file.path())).map(drop).unwrap_err();
    let root = file.path().join(FOLDER);
    assert!(
        error.to_string().contains(&*root.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn a_cache_that_cannot_be_written_to_has_what_is_in_it() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let digest = Digest::of(b"abc");
    assert_eq!(blobs(cache.path()).put(&digest, b"abc").ok(), Some(None));
    let root = cache.path().join(FOLDER);
    let mode = std::fs::metadata(root.join(Blobs::relative_path(&digest)));
    let mode = mode.expect("the blob").permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "another user may read it");
    // Root may write anywhere, so that the folder is taken away.
    std::fs::remove_dir(root.join(INCOMING)).expect("it is empty");
    std::fs::write(root.join(INCOMING), "").expect("a file");
    let kept = blobs(cache.path());
    assert!(kept.has(&digest));
    let error = kept.put(&Digest::of(b"d"), b"d").unwrap_err().to_string();
    assert!(error.contains(&*root.to_string_lossy()), "{error}");
}

#[test]
fn what_nobody_makes_any_longer_is_deleted() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let writer = blobs(cache.path()).writer().expect("a file");
    let path = writer.file.path().to_owned();
    let before = SystemTime::now() - 2 * UNLOCKED_LIFETIME;
    writer
        .file
        .as_file()
        .set_modified(before)
        .expect("its time is set");
    blobs(cache.path());
    assert!(path.exists(), "it is still made");
    // What the end of its process leaves of it.
    let (file, path) = writer.file.keep().expect("it is kept");
    drop(file);
    blobs(cache.path());
    assert!(!path.exists());
}

#[test]
fn what_a_killed_process_left_is_deleted_after_a_day() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let incoming = blobs(cache.path()).root().join(INCOMING);
    // These are held, as where the file system has no locks that tell whether a process still makes them.
    let mut held = Vec::new();
    for (name, age) in [("old", 25), ("new", 1)] {
        let file = File::create(incoming.join(name)).expect("a file");
        let written = SystemTime::now() - Duration::from_secs(age * 60 * 60);
        file.set_modified(written).expect("the time of a file");
        file.lock().expect("a lock");
        held.push(file);
    }
    blobs(cache.path());
    assert!(!incoming.join("old").exists() && incoming.join("new").exists());
}

/// Makes a blob as old as that, in days.
fn age(blobs: &Blobs, digest: &Digest, days: u64) {
    let used = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    let file = File::open(blobs.path(digest)).expect("a blob");
    file.set_modified(used).expect("the time of a file");
}

#[test]
fn what_nothing_has_used_for_long_is_deleted() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let first = blobs(cache.path());
    let [unused, recent, read, asked_for] = [&b"a"[..], b"b", b"c", b"d"].map(|content| {
        let digest = Digest::of(content);
        first.put(&digest, content).expect("it is written");
        digest
    });
    for digest in [&unused, &read, &asked_for] {
        age(&first, digest, 31);
    }
    age(&first, &recent, 29);
    assert!(first.read(&read, 10).is_some() && first.has(&asked_for));
    // One that found nothing, or not all, deletes nothing.
    drop(first);
    let second = blobs(cache.path());
    assert!(second.path(&unused).exists());
    drop(InUse::from(second));
    let left = blobs(cache.path());
    assert!(!left.path(&unused).exists());
    for digest in [&recent, &read, &asked_for] {
        assert!(left.path(digest).exists());
    }
}

#[test]
fn nothing_is_deleted_while_another_process_may_read_it() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let digest = Digest::of(b"abc");
    let (one, other) = (blobs(cache.path()), blobs(cache.path()));
    one.put(&digest, b"abc").expect("it is written");
    age(&one, &digest, 31);
    let path = one.path(&digest);
    drop(InUse::from(one));
    assert!(path.exists());
    drop(InUse::from(other));
    assert!(!path.exists());
}
