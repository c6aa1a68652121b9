//! How much memory this process may use.
//!
//! In a container that is the limit of its control group, in version 2 (`memory.max`) or version 1
//! (`memory.limit_in_bytes`): Linux kills the process that goes beyond it. The limit may be set on any group above the process's
//! own, so the least of them counts. Elsewhere it is the memory of the machine. See `cgroups(7)`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// How much memory there is for this process, and which limit that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// In bytes.
    pub bytes: u64,
    /// The file that says so.
    pub source: PathBuf,
}

impl fmt::Display for Available {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes ({})", self.bytes, self.source.display())
    }
}

/// The memory that this process may use, or `None` where the system does not say, as on systems that are not Linux.
#[must_use]
pub fn available() -> Option<Available> {
    of_root(Path::new("/"))
}

/// As [`available`], for a system whose files are under `root`.
fn of_root(root: &Path) -> Option<Available> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| limit_of_group(root, line));
    limits.chain(machine(root)).min_by_key(|limit| limit.bytes)
}

/// The least limit of a group and those above it, as a line of `/proc/self/cgroup` names it: `ID:CONTROLLERS:PATH`. Version 2
/// has the id 0 and no controllers.
fn limit_of_group(root: &Path, line: &str) -> Option<Available> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, file) = if id == "0" && controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let mount = root.join(mount);
    let group = mount.join(path.trim_start_matches('/'));
    // A container may see its own group as the root of the hierarchy, while the path is that of the machine: then only the
    // file at the root is there.
    group
        .ancestors()
        .take_while(|group| group.starts_with(&mount))
        .filter_map(|group| {
            let source = group.join(file);
            // "max", for no limit, is no number. Version 1 has a number near 2^63 for that, which is more than any machine has.
            let bytes = fs::read_to_string(&source).ok()?.trim().parse().ok()?;
            Some(Available { bytes, source })
        })
        .min_by_key(|limit| limit.bytes)
}

/// All memory of the machine.
fn machine(root: &Path) -> Option<Available> {
    let source = root.join("proc/meminfo");
    let text = fs::read_to_string(&source).ok()?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Available {
        bytes: kib.saturating_mul(1024),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:    2048 kB\nMemFree:  1 kB\n");

    fn on(files: &[(&str, &str)]) -> Option<Available> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut found = of_root(root.path())?;
        found.source = found.source.strip_prefix(root.path()).unwrap().to_owned();
        Some(found)
    }

    fn found(bytes: u64, source: &str) -> Option<Available> {
        let source = source.into();
        Some(Available { bytes, source })
    }

    #[test]
    fn the_machine_counts_where_no_group_has_a_limit() {
        assert_eq!(on(&[MACHINE]), found(2 << 20, "proc/meminfo"));
        let none = [
            MACHINE,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
        ];
        assert_eq!(on(&none), found(2 << 20, "proc/meminfo"));
        let version_1 = [
            MACHINE,
            ("proc/self/cgroup", "4:cpu,memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(on(&version_1), found(2 << 20, "proc/meminfo"));
        assert_eq!(on(&[]), None);
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "1:cpu:/x\n0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.max", "1001\n"),
        ];
        assert_eq!(on(&files), found(1000, "sys/fs/cgroup/a/memory.max"));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_root() {
        let version_1 = [
            MACHINE,
            ("proc/self/cgroup", "9:memory:/kubepods/pod1/c\n1:cpu:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "777\n"),
        ];
        let expected = found(777, "sys/fs/cgroup/memory/memory.limit_in_bytes");
        assert_eq!(on(&version_1), expected);
        let version_2 = [
            MACHINE,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "778\n"),
        ];
        assert_eq!(on(&version_2), found(778, "sys/fs/cgroup/memory.max"));
    }

    #[test]
    fn this_system_says_how_much_there_is() {
        let available = available().unwrap();
        assert!(available.bytes > 1 << 20, "{available}");
    }
}
