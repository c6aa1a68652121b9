//! What a start like any other is: nothing that somebody should look at, and no probe that fails.
//!
//! `SPINDRIFT_TIMELINE=1` has the times of each step told.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use super::eventually;
use super::pods::Pods;

/// A folder with the application's components, compiled as in an image.
fn compiled() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_spindrift"))
        .args(["compile", "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .arg("-o")
        .arg(folder.path())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    folder
}

/// Starts `size` pods at once as a kubelet does.
async fn starts(size: usize, told: bool) {
    let compiled = compiled();
    let mut pods = Pods::none().await;
    let began = Instant::now();
    pods.add_as_kubelet(size, told, compiled.path());
    let names = pods.names();
    // The kubelet asks as soon as the process listens, and then waits for the answer.
    for name in &names {
        eventually("an answer", async || {
            pods.get(name, "/.well-known/spindrift/live").await
        })
        .await;
    }
    for name in &names {
        // As long as a kubelet would wait.
        let over = eventually("the end of the start", async || {
            pods.get(name, "/.well-known/spindrift/started").await
        });
        assert_eq!(over.await, (200, "ok\n".to_owned()), "{name}");
        let ready = pods.get(name, "/.well-known/spindrift/ready").await;
        assert_eq!(ready, Ok((200, "ok\n".to_owned())), "{name}");
    }
    let took = began.elapsed();
    let cluster = pods.agree().await;
    pods.is_told(&cluster).await;
    for name in &names {
        let log = pods.log(name);
        if std::env::var_os("SPINDRIFT_TIMELINE").is_some() {
            eprintln!("{size} pods, told {told}, ready after {took:?}; {name}:\n{log}");
        }
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_starts_without_a_warning_and_is_ready_when_its_start_is_over() {
    for told in [false, true] {
        starts(1, told).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_start_together_without_a_warning_and_are_ready_when_their_start_is_over() {
    for told in [false, true] {
        starts(3, told).await;
    }
}
