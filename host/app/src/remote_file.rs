//! [`RemoteFile`]: a file that a manifest names by URL and digest.

use std::fmt;

use url::Url;

use super::digest::Digest;

/// A file on a web server, and the digest that its content must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    url: Url,
    digest: Digest,
}

impl RemoteFile {
    /// The file at `url`.
    pub(crate) fn new(url: Url, digest: Digest) -> Self {
        Self { url, digest }
    }

    /// Reads a URL that a file can be downloaded from.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("{text:?} is no URL ({error}); write one such as \"https://example.com/component.wasm\"")
        })?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(format!(
                "a file is downloaded over https or http, not over {other:?}; write one such as \
                 \"https://example.com/component.wasm\""
            )),
        }
    }

    /// Reads the digest of a file.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse_digest(text: &str) -> Result<Digest, String> {
        Digest::parse(text).ok_or_else(|| {
            format!(
                "{text:?} is no digest; write \"sha256:\" and the 64 hexadecimal digits, in lower case, that `sha256sum` \
                 prints of the file"
            )
        })
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What its content must have.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// The URL without the password that it may have in it.
impl fmt::Display for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        // A URL that has one can be without it.
        let _ = url.set_password(None);
        fmt::Display::fmt(&url, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("https://a.test/b.wasm?c=d", "https://a.test/b.wasm?c=d"),
            ("http://me:secret@a.test/b", "http://me@a.test/b"),
        ] {
            let url = RemoteFile::parse_url(text).expect(text);
            let digest = RemoteFile::parse_digest(DIGEST).expect("a digest");
            assert_eq!(RemoteFile::new(url, digest).to_string(), shown);
        }
    }
}
