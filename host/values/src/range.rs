//! [`Range`]: one value, or a range from which each new instance draws its own.

use std::fmt;

use rand::distr::uniform::SampleUniform;
use rand::{Rng, RngExt};

/// One value, or values from `start` up to but without `end`. A parsed range is never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range<T> {
    /// This value.
    Value(T),
    /// Any of these; the end is not one of them.
    Bounds {
        /// The smallest value.
        start: T,
        /// The value after the largest.
        end: T,
    },
}

impl<T: Copy + PartialOrd> Range<T> {
    /// Reads `value` or `start..end`, each end with `one`.
    ///
    /// # Errors
    ///
    /// What `one` says, or that the range is empty.
    pub fn parse(text: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let Some((start, end)) = text.split_once("..") else {
            return Ok(Self::Value(one(text)?));
        };
        let (start_value, end_value) = (one(start)?, one(end)?);
        if start_value < end_value {
            Ok(Self::Bounds {
                start: start_value,
                end: end_value,
            })
        } else {
            Err(format!(
                "the range {text:?} is empty: {start:?} must be less than {end:?}, which is itself left out"
            ))
        }
    }

    /// The smallest value that [`Range::sample`] can give.
    pub fn min(&self) -> T {
        match *self {
            Self::Value(value) => value,
            Self::Bounds { start, .. } => start,
        }
    }

    /// A value that [`Range::sample`] never goes above.
    pub fn max(&self) -> T {
        match *self {
            Self::Value(value) => value,
            Self::Bounds { end, .. } => end,
        }
    }
}

impl<T: SampleUniform + PartialOrd + Copy> Range<T> {
    /// The value, or one drawn evenly from the range. An empty range gives its start.
    pub fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> T {
        match *self {
            Self::Value(value) => value,
            Self::Bounds { start, end } if start < end => rng.random_range(start..end),
            Self::Bounds { start, .. } => start,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Bounds { start, end } => write!(f, "{start}..{end}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::duration;

    fn number(text: &str) -> Result<usize, String> {
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }

    #[test]
    fn values_and_bounds() {
        assert_eq!(Range::parse("7", number), Ok(Range::Value(7)));
        assert_eq!(
            Range::parse("1..8", number),
            Ok(Range::Bounds { start: 1, end: 8 })
        );
        let seconds = Range::Bounds {
            start: Duration::from_secs(1),
            end: Duration::from_secs(8),
        };
        assert_eq!(Range::parse("1..8s", duration::parse), Ok(seconds));
        assert_eq!(Range::parse("1000ms..8", duration::parse), Ok(seconds));
    }

    #[test]
    fn refusals() {
        for (text, part) in [
            ("", "\"\""),
            ("1..", "\"\""),
            ("..8", "\"\""),
            ("a..8", "\"a\""),
            ("1...8", "\".8\""),
        ] {
            let error = Range::parse(text, number).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in ["8..8", "8..1"] {
            let error = Range::parse(text, number).unwrap_err();
            assert!(error.contains("is empty"), "{text}: {error}");
        }
        // The unit of the end does not carry over to the start.
        assert!(
            Range::parse("1..8ms", duration::parse)
                .unwrap_err()
                .contains("is empty")
        );
    }

    #[test]
    fn every_value_of_a_range_comes_up_and_its_end_never() {
        let mut rng = StdRng::seed_from_u64(1);
        let range = Range::Bounds {
            start: 1usize,
            end: 4,
        };
        let seen: BTreeSet<usize> = (0..1000).map(|_| range.sample(&mut rng)).collect();
        assert_eq!(seen, BTreeSet::from([1, 2, 3]));
    }

    proptest! {
        #[test]
        fn samples_lie_in_the_range(a: u64, b: u64, seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            prop_assert_eq!(Range::Value(a).sample(&mut rng), a);
            let (start, end) = (a.min(b), a.max(b));
            let drawn = Range::Bounds { start, end }.sample(&mut rng);
            prop_assert!(drawn >= start && (drawn < end || start == end));
            let (start, end) = (Duration::from_nanos(start), Duration::from_nanos(end));
            let drawn = Range::Bounds { start, end }.sample(&mut rng);
            prop_assert!(drawn >= start && (drawn < end || start == end));
        }
    }
}
