//! The network namespaces that tests make: their names, the programs that make them, and an end to those that are left over.
//!
//! What a killed test run leaves behind is cleared away by the next. What is in a namespace is the business of `network.rs`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where `ip netns` keeps the namespaces that it knows by name.
pub const FOLDER: &str = "/run/netns";
/// What the names of ours begin with; the id of the process that made them comes next.
pub const PREFIX: &str = "spindrift-test-";

/// Removes the namespaces of test processes that are no more.
pub fn clear_remains() {
    for namespace in known() {
        let owner = namespace
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if let Some(owner) = owner.filter(|pid| pid.parse::<u32>().is_ok())
            && !Path::new("/proc").join(owner).exists()
        {
            remove(&namespace);
        }
    }
}

/// The names of all network namespaces that have one.
pub fn known() -> Vec<String> {
    let Ok(entries) = fs::read_dir(FOLDER) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// Ends the processes in a namespace of ours, and the namespace. Nobody is there to be told of what goes wrong.
pub fn remove(namespace: &str) {
    let pids = Command::new("ip")
        .args(["netns", "pids", namespace])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let this = std::process::id().to_string();
    for pid in pids.lines().filter(|pid| **pid != this) {
        if let Ok(pid) = pid.parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    let _ = Command::new("ip")
        .args(["netns", "delete", namespace])
        .stderr(Stdio::null())
        .status();
}

/// Runs a program of the system with `input`.
///
/// # Panics
///
/// If it fails, with what it said and what it needs.
pub fn run(program: &str, arguments: &[&str], input: &str) {
    let failed = |reason: &str| -> ! {
        panic!(
            "{program} {arguments:?} failed: {}\nThese tests make network namespaces: they need the programs ip and nft \
             (Debian: iproute2, nftables) and the right to use them. Run them as root, or build them and run the test \
             program under `unshare --user --map-root-user --mount --net sh -c 'mount -t tmpfs tmpfs /run && exec \"$@\"' sh`.",
            reason.trim()
        )
    };
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => failed(&error.to_string()),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended without reading says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    match child.wait_with_output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => failed(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => failed(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_cleared_away() {
        // No process has this id: it is beyond the largest that Linux gives.
        let remains = format!("{PREFIX}4194305-0-clients");
        run("ip", &["netns", "add", &remains], "");
        clear_remains();
        assert!(!known().contains(&remains));
    }
}
