//! Versions of the peers' protocol, and which of them nodes speak with each other.
//!
//! | version | what it adds |
//! | --- | --- |
//! | up to 3 | one version in each call, which had to be the same on both sides |
//! | 4 | a range of versions in each call and each answer; a member says the newest version that it speaks; the log says which version is in force |
//! | 5 | a member says on which machine it runs; a vote that is refused says why |
//!
//! Each program speaks a range of versions. A call names the range of the caller, an answer that of the node that answers, and
//! the two speak the older of their newest versions. Fields that the older one does not know are skipped by it, as protocol
//! buffers have it.
//!
//! What all nodes of a cluster hold alike is another matter: an entry of the log, the membership or a snapshot in which one
//! node skips what another one reads would make two states of one. So a cluster has one version *in force*. An entry of the
//! log brings it into force, snapshots carry it, and it never goes back. The leader proposes the newest version that all
//! members speak, learners among them, see `upgrade.rs`. Nothing newer than the version in force is written into the log, the
//! membership or a snapshot, and a node that does not speak the version in force is not let in, see `admission.rs`. A node
//! that finds a newer version in force than it speaks ends.
//!
//! To add a version: add a line above, a constant for what it adds, and write what is new only where
//! [`Version`] in force allows it. [`Versions::OWN`] begins with the previous one for as long as a rolling update has to be
//! possible.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A version of the peers' protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

impl Version {
    /// The first version of which nodes may speak several.
    pub const RANGES: Self = Self(4);
    /// From here on a member says on which machine it runs.
    pub const MACHINES: Self = Self(5);

    /// As it travels, where 0 stands for one that is not said.
    #[must_use]
    pub fn from_wire(version: u32) -> Option<Self> {
        (version != 0).then_some(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions that a program speaks, without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    oldest: Version,
    newest: Version,
}

impl Versions {
    /// Those of this program.
    pub const OWN: Self = Self {
        oldest: Version::RANGES,
        newest: Version::MACHINES,
    };

    /// A range.
    ///
    /// # Errors
    ///
    /// It ends before it begins.
    pub fn new(oldest: Version, newest: Version) -> Result<Self, NoVersions> {
        if oldest <= newest {
            Ok(Self { oldest, newest })
        } else {
            Err(NoVersions)
        }
    }

    /// Those of this program, up to `newest`.
    ///
    /// # Errors
    ///
    /// This program does not speak `newest`.
    pub fn own_up_to(newest: Version) -> Result<Self, Unspoken> {
        if Self::OWN.include(newest) {
            Ok(Self {
                newest,
                ..Self::OWN
            })
        } else {
            Err(Unspoken(newest))
        }
    }

    /// The newest of them.
    #[must_use]
    pub fn newest(self) -> Version {
        self.newest
    }

    /// Whether `version` is among them.
    #[must_use]
    pub fn include(self, version: Version) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }

    /// The version that two programs speak with each other: the newest that both speak. Both come to the same one.
    #[must_use]
    pub fn in_common_with(self, other: Self) -> Option<Version> {
        let version = self.newest.min(other.newest);
        (self.include(version) && other.include(version)).then_some(version)
    }

    /// As a call names them: `4-5`, or `4` for a range of one.
    #[must_use]
    pub fn to_header(self) -> String {
        if self.oldest == self.newest {
            self.newest.to_string()
        } else {
            format!("{}-{}", self.oldest, self.newest)
        }
    }
}

/// For people.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            write!(f, "version {}", self.newest)
        } else {
            write!(f, "versions {} to {}", self.oldest, self.newest)
        }
    }
}

/// This is no range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is neither a version nor a range of versions such as 4-5")]
pub struct NoVersions;

/// This program does not speak this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "this program speaks {own} of the peers' protocol, and not version {0}",
    own = Versions::OWN
)]
pub struct Unspoken(pub Version);

impl FromStr for Versions {
    type Err = NoVersions;

    fn from_str(text: &str) -> Result<Self, NoVersions> {
        let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
        Self::new(version(oldest)?, version(newest)?)
    }
}

/// A version in decimal digits, and nothing else: `u32::from_str` takes a sign.
fn version(text: &str) -> Result<Version, NoVersions> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoVersions);
    }
    let number = text.parse().map_err(|_| NoVersions)?;
    Version::from_wire(number).ok_or(NoVersions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn versions() -> impl Strategy<Value = Versions> {
        (1..30_u32, 0..10_u32).prop_map(|(oldest, more)| {
            Versions::new(Version(oldest), Version(oldest + more)).expect("a range")
        })
    }

    proptest! {
        #[test]
        fn both_sides_come_to_the_same_version_or_to_none(one in versions(), other in versions()) {
            let common = one.in_common_with(other);
            prop_assert_eq!(common, other.in_common_with(one));
            let shared = (1..50).map(Version).filter(|v| one.include(*v) && other.include(*v));
            prop_assert_eq!(common, shared.max());
        }

        #[test]
        fn a_range_reads_back(range in versions()) {
            prop_assert_eq!(range.to_header().parse(), Ok(range));
        }

        #[test]
        fn no_text_brings_the_reader_down(text: String) {
            if let Ok(read) = text.parse::<Versions>() {
                prop_assert!(read.oldest <= read.newest);
            }
        }
    }

    #[test]
    fn one_number_is_a_range_of_one() {
        let three = Version(3);
        assert_eq!("3".parse(), Versions::new(three, three));
        assert_eq!(
            "3".parse::<Versions>().map(Versions::to_header).as_deref(),
            Ok("3")
        );
        for text in [
            "",
            "-",
            "4-",
            "-4",
            "5-4",
            "+4",
            "4 - 5",
            "4-5-6",
            "4.0",
            "0",
            "0-4",
            "99999999999",
        ] {
            assert_eq!(text.parse::<Versions>(), Err(NoVersions), "{text:?}");
        }
    }

    #[test]
    fn this_program_speaks_the_previous_version_too() {
        let previous = Versions::own_up_to(Version(Versions::OWN.newest.0 - 1));
        let common = previous.map(|previous| previous.in_common_with(Versions::OWN));
        assert_eq!(common, Ok(Some(Version(Versions::OWN.newest.0 - 1))));
        for version in [Version(3), Version(Versions::OWN.newest.0 + 1)] {
            assert_eq!(Versions::own_up_to(version), Err(Unspoken(version)));
        }
    }

    #[test]
    fn people_read_which_versions_they_are() {
        let unspoken = Unspoken(Version(9)).to_string();
        assert!(unspoken.contains("versions 4 to 5"), "{unspoken}");
        assert!(unspoken.ends_with("not version 9"), "{unspoken}");
        let four = Versions::own_up_to(Version::RANGES).expect("it is spoken");
        assert_eq!(four.to_string(), "version 4");
    }
}
