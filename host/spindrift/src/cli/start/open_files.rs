//! [`OpenFiles`]: how many files the process may open, and who may have how many of them. Each connection is one.

use std::fmt;

/// How many files the process keeps for all that is not a connection of the public port: probes, the admin port, other nodes, outgoing
/// requests of components, files. It is a quarter of all, within these bounds.
const LEAST_RESERVE: u64 = 64;
const MOST_RESERVE: u64 = 1024;

/// The part of that which each of those may have that hold connections of strangers: those that are refused on the public
/// port, and those of the admin port.
const SHARES: u64 = 8;
const LEAST_SHARE: u64 = 2;
const MOST_SHARE: u64 = 64;

/// How many files the process may open.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFiles {
    limit: u64,
}

impl OpenFiles {
    /// As many as the system allows: the usual limit is far below what a server may have.
    pub fn raise() -> Self {
        let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
            tracing::warn!("the limit of open files could not be raised: {error}");
            rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX)
        });
        OpenFiles { limit }
    }

    /// How many connections the public port may have, where it is to have as many as `wanted`: enough files are left for
    /// the rest.
    pub fn connections(self, wanted: usize) -> usize {
        wanted.min(usize::try_from(self.for_connections()).unwrap_or(usize::MAX))
    }

    /// How many connections may be open at once that are refused, and how many to the admin port.
    pub fn share(self) -> usize {
        let share = (self.reserve() / SHARES).clamp(LEAST_SHARE, MOST_SHARE);
        usize::try_from(share).unwrap_or(usize::MAX)
    }

    /// Says that the public port cannot have as many connections as `wanted`, if it cannot.
    pub fn falls_short_of(self, wanted: usize) -> Option<impl fmt::Display> {
        let connections = self.connections(wanted);
        (connections < wanted).then(|| {
            let limit = self.limit;
            format!(
                "this process may open {limit} files, so --max-connections {wanted} cannot be reached: it takes \
                 {connections} connections, and keeps the other files for probes, other nodes and components; raise \
                 the limit of open files (ulimit -n)"
            )
        })
    }

    fn reserve(self) -> u64 {
        (self.limit / 4).clamp(LEAST_RESERVE, MOST_RESERVE)
    }

    fn for_connections(self) -> u64 {
        self.limit.saturating_sub(self.reserve()).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_for_what_must_not_be_kept_out() {
        for (limit, connections, share) in [
            (u64::MAX, 10_000, 64),
            (1 << 20, 10_000, 64),
            (11_024, 10_000, 64),
            (4096, 3072, 64),
            (1024, 768, 32),
            (128, 64, 8),
            (65, 1, 8),
            (10, 1, 8),
        ] {
            let files = OpenFiles { limit };
            assert_eq!(
                (files.connections(10_000), files.share()),
                (connections, share),
                "{limit}"
            );
            assert_eq!(files.connections(1), 1, "{limit}");
            let said = files.falls_short_of(10_000).map(|said| said.to_string());
            assert_eq!(said.is_some(), connections < 10_000, "{limit}");
            if let Some(said) = said {
                assert!(said.contains(&limit.to_string()), "{said}");
                assert!(said.contains(&connections.to_string()), "{said}");
            }
        }
    }
}
