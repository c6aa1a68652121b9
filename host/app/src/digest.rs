//! [`Digest`]: SHA-256 in the form of registries, `sha256:` and 64 hexadecimal digits.

use std::fmt::{self, Write};

use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256:";

/// The digest of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Reads a digest. There is none for another algorithm, or for digits in upper case, which no registry takes.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(PREFIX)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (hex.len() == 64 && hex.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The hexadecimal digits, which are a safe name for a file.
    pub fn hex(&self) -> &str {
        &self.0[PREFIX.len()..]
    }

    /// With the name of the algorithm in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes the digest of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn finish(self) -> Digest {
        let mut text = PREFIX.to_owned();
        for byte in self.0.finalize() {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(Digest::of(b"").as_str(), NOTHING);
        let mut pieces = Hasher::default();
        pieces.update(b"ab");
        pieces.update(b"c");
        assert_eq!(pieces.finish(), Digest::of(b"abc"));
        assert_eq!(
            Digest::of(b"abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn only_what_is_safe_as_a_file_name_is_read() {
        assert_eq!(
            Digest::parse(NOTHING).as_ref().map(Digest::as_str),
            Some(NOTHING)
        );
        for text in [
            "",
            "sha256:",
            "sha256:e3b0",
            &NOTHING.to_uppercase(),
            &NOTHING.replace("e3", "E3"),
            &NOTHING.replace("sha256", "sha512"),
            &NOTHING.replace("e3b0c4", "../../"),
            &format!("{NOTHING}0"),
        ] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
