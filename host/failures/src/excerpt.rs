//! Text that others have chosen, in a line of the log.

use std::fmt::{self, Write};

/// As much of a text that others have chosen as fits a line of the log: control characters are escaped, and what is longer
/// than [`Excerpt::BYTES`] is cut.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a>(pub &'a str);

impl Excerpt<'_> {
    /// The most that is shown, in bytes. Enough for what our own errors say beside what they quote.
    pub const BYTES: usize = 512;
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.floor_char_boundary(Self::BYTES)];
        for c in shown.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        for (text, shown) in [
            ("/put", "/put".to_owned()),
            ("a\nb\u{1b}[2J", "a\\nb\\u{1b}[2J".to_owned()),
            (&"ü".repeat(256), "ü".repeat(256)),
            (
                &format!("x{}", "ü".repeat(30_000)),
                format!("x{}… (60001 bytes)", "ü".repeat(255)),
            ),
        ] {
            assert_eq!(Excerpt(text).to_string(), shown);
        }
    }
}
