//! [`ByteSize`]: a number of bytes, written with or without a unit. The command line and the runtime configuration share it.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
///
/// It is written as an integer with an optional unit: `k`, `M`, `G` are powers of 1000, `Ki`, `Mi`, `Gi` powers of 1024, as
/// Kubernetes has them; a final `B` and the case make no difference. `65536`, `64Ki` and `64KiB` are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// So many GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number of bytes as a length; sizes beyond what this machine can address become the largest length.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        if number.is_empty() {
            return Err(format!(
                "{text:?} is not a size: write whole bytes, or a unit as in 64MiB"
            ));
        }
        let unit = unit.trim_start().to_ascii_lowercase();
        let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
            "" => 1,
            "k" => 1_000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "t" => 1_000_000_000_000,
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            "ti" => 1 << 40,
            _ => {
                return Err(format!(
                    "{text:?} is not a size: the units are k, M, G, T (powers of 1000) and Ki, Mi, Gi, Ti (powers of 1024)"
                ));
            }
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is too large for a size"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if n != 0 && n.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", n >> shift);
            }
        }
        write!(f, "{n}B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64Ki", 65536),
            ("64KiB", 65536),
            ("64 kib", 65536),
            ("1B", 1),
            ("1k", 1000),
            ("1KB", 1000),
            ("5M", 5_000_000),
            ("2Gi", 2 << 30),
            ("3T", 3_000_000_000_000),
            ("1TiB", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn refusals_quote_what_was_given() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5Gi",
            "1x",
            "1bb",
            "1KiBB",
            "18446744073709551616",
            "99999999999T",
            "١",
        ] {
            let error = text.parse::<ByteSize>().unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(n: u64, shift in 0u32..50) {
            let size = ByteSize(n >> shift << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
