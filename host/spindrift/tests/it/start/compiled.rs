//! Components that were compiled ahead of time, by `spindrift compile`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::harness::{App, Host, STORE, command, limited};

/// The first line of a file, and the digests after it.
const LINE: usize = 43;
const DIGEST: usize = 32;

fn app() -> App {
    App::new().guest("kv3", STORE).guest("trouble", "")
}

/// A folder with what was compiled of an application, and the files in it, in the order of the manifest.
fn compiled(app: &App) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = command("compile")
        .args(["-f", &app.write().to_string_lossy(), "-o"])
        .arg(folder.path())
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("text");
    let files = said.lines().map(|line| {
        let (id, file) = line.split_once(' ').expect("an id and a file");
        assert!(["kv3", "trouble"].contains(&id), "{said}");
        PathBuf::from(file)
    });
    (folder, files.collect())
}

/// Nothing that is compiled runs, so that no address space is needed for it.
#[test]
fn components_are_compiled_in_a_small_address_space() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let app = app();
    let mut compile = command("compile");
    compile
        .args(["-f", &app.write().to_string_lossy(), "-o"])
        .arg(folder.path());
    let output = limited(&compile, 8 << 20).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

/// The other commands run no component, either: they come as far as to a node, or a registry, that is not there.
#[test]
fn no_command_needs_a_large_address_space() {
    let app = app();
    let from = app.write().to_string_lossy().into_owned();
    let nowhere = "127.0.0.1:1";
    let artifact = format!("{nowhere}/app:v1");
    for (name, args) in [
        ("status", &["--node", nowhere][..]),
        ("recover", &["--from", nowhere]),
        ("push", &[&artifact, "-k", "-f", &from]),
    ] {
        let mut command = command(name);
        command.args(args);
        let output = limited(&command, 8 << 20).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(nowhere), "{name}: {output:?}");
    }
}

/// Starts with that folder, and sees that the application works.
async fn started(app: App, folder: &Path, args: &[&str]) -> Host {
    let folder = folder.to_string_lossy();
    let host = app
        .command()
        .args(&["--compiled-dir", &folder])
        .args(args)
        .start();
    host.http1().get("/trouble/count").await.expect(200);
    host
}

/// The lines that say that a component is compiled at the start.
fn compiled_now(host: &Host) -> Vec<String> {
    let log = host.log().into_iter();
    log.filter(|line| line.contains("is compiled now"))
        .collect()
}

/// Whatever is configured that does not change how components are compiled.
#[tokio::test]
async fn a_start_compiles_nothing_that_was_compiled_ahead_of_time() {
    let app = app();
    let (folder, files) = compiled(&app);
    assert!(files.len() == 2 && files.iter().all(|file| file.is_file()));
    let from = app.write().to_string_lossy().into_owned();
    for limits in [
        &["--max-instance-memory", "256MiB"][..],
        &[
            "--max-concurrent-requests",
            "2",
            "--max-instance-memory",
            "8MiB",
        ],
    ] {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let host = crate::harness::HostCommand::bare()
            .args(&["-f", &from, "--cache-dir", &cache.path().to_string_lossy()])
            .args(&["--compiled-dir", &folder.path().to_string_lossy()])
            .args(limits)
            .args(&["--log-level", "info,spindrift=debug"])
            .start();
        host.http1().get("/trouble/count").await.expect(200);
        assert_eq!(compiled_now(&host), [""; 0]);
        let kept = cache.path().join("compiled-components");
        let modules = kept.read_dir().expect("a folder").count();
        assert_eq!(modules, 0, "what is compiled is kept in the cache");
        host.logged(&["as compiled ahead of time: 2 of 2 components"]);
    }
}

#[tokio::test]
async fn a_component_that_was_not_compiled_is_compiled_at_the_start() {
    let (folder, _) = compiled(&app());
    let another = app().guest("env", "");
    let host = started(another, folder.path(), &[]).await;
    let lines = compiled_now(&host);
    assert!(
        lines.len() == 1 && lines[0].contains("'env'") && lines[0].contains("is not there"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("WARN"), "{lines:?}");
    let nowhere = folder.path().join("nowhere");
    let host = started(app(), &nowhere, &[]).await;
    assert_eq!(compiled_now(&host).len(), 2);
}

/// Each way to spoil a file, and what is said of it.
#[tokio::test]
async fn what_cannot_be_used_is_compiled_at_the_start_and_the_log_says_why() {
    let app_ = app();
    let (folder, files) = compiled(&app_);
    let sound = fs::read(&files[0]).expect("a file");
    let other = fs::read(&files[1]).expect("a file");
    let changed = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    // In what Wasmtime writes down of how it has compiled.
    let with_another = |part: &[u8], instead: &[u8]| {
        let mut bytes = sound.clone();
        let found = bytes.windows(part.len()).position(|found| found == part);
        let found = found.expect("it is in there");
        bytes[found..found + part.len()].copy_from_slice(instead);
        let digest = Sha256::digest(&bytes[LINE + 2 * DIGEST..]);
        bytes[LINE + DIGEST..LINE + 2 * DIGEST].copy_from_slice(&digest);
        bytes
    };
    for (bytes, reason) in [
        (Vec::new(), "is none that this version"),
        (
            sound[..LINE + DIGEST + 1].to_vec(),
            "is none that this version",
        ),
        (changed(0), "is none that this version"),
        (changed(LINE), "of another component"),
        (other, "of another component"),
        (changed(LINE + DIGEST), "is damaged"),
        (changed(sound.len() - 1), "is damaged"),
        (sound[..sound.len() - 1].to_vec(), "is damaged"),
        (with_another(b", wasmtime ", b", wasmtimE "), "version"),
        (with_another(b"-linux-", b"-redox-"), "operating system"),
    ] {
        fs::write(&files[0], bytes).expect("a file");
        let host = started(app(), folder.path(), &[]).await;
        let lines = compiled_now(&host);
        assert!(
            lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains(reason),
            "not {reason:?}: {lines:?}"
        );
    }
    fs::write(&files[0], sound).expect("a file");
    let host = started(app(), folder.path(), &[]).await;
    assert_eq!(compiled_now(&host), [""; 0]);
}

/// What is in the files is run.
#[tokio::test]
async fn nothing_is_taken_from_a_file_or_a_folder_that_others_can_write_to() {
    let app_ = app();
    let (folder, files) = compiled(&app_);
    for (path, mode, sound) in [
        (folder.path(), 0o777, 0o755),
        (folder.path(), 0o770, 0o755),
        (&files[0], 0o646, 0o644),
        (&files[0], 0o664, 0o644),
    ] {
        let set = |mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
        set(mode);
        let host = started(app(), folder.path(), &[]).await;
        let lines = compiled_now(&host);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.contains("can write to it")),
            "{mode:o}: {lines:?}"
        );
        set(sound);
    }
    if Uid::effective().is_root() {
        for path in [folder.path(), &files[0]] {
            chown(path, Some(1234), None).expect("another owner");
            let host = started(app(), folder.path(), &[]).await;
            let lines = compiled_now(&host);
            assert!(
                !lines.is_empty() && lines.iter().all(|line| line.contains("of the user 1234")),
                "{lines:?}"
            );
            chown(path, Some(0), None).expect("the owner");
        }
    }
    let host = started(app(), folder.path(), &[]).await;
    assert_eq!(compiled_now(&host), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_would_not_be_trusted_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("a mode");
    let app = app();
    let compile = |from: &Path| {
        let output = command("compile")
            .args(["-f", &from.to_string_lossy(), "-o"])
            .arg(folder.path())
            .output()
            .expect("the binary starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let said = compile(app.write());
    assert!(said.contains("chmod go-w"), "{said}");
    let said = compile(&folder.path().join("none.toml"));
    assert!(said.contains("none.toml"), "{said}");
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
}
