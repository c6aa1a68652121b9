//! [`Reference`]: the name of an application in a registry.

use std::fmt;

use spindrift_app::Digest;

/// `registry/repository:tag`, `registry/repository@sha256:…`, or both: then the digest decides, and the tag is a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    inner: oci_client::Reference,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference. As everywhere, one without a registry is of Docker Hub, and one without tag and digest has the
    /// tag `latest`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it and how one is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner: oci_client::Reference = text.parse().map_err(|error| {
            format!(
                "{text:?} is no reference to a registry ({error}); write registry/repository:tag or \
                 registry/repository@sha256:…, in lower case"
            )
        })?;
        let digest = inner
            .digest()
            .map(|digest| {
                Digest::parse(digest).ok_or_else(|| {
                    format!(
                        "the digest of {text:?} must be `sha256:` and 64 hexadecimal digits in lower case"
                    )
                })
            })
            .transpose()?;
        Ok(Self { inner, digest })
    }

    /// Whether `text` can only be meant as a reference, unless it is a path that exists: whether it begins with a registry,
    /// `host.name/…`, `host:port/…` or `localhost/…`. `name:tag` and `user/name` alone may as well be meant as a path.
    pub fn names_registry(text: &str) -> bool {
        let Some((host, rest)) = text.split_once('/') else {
            return false;
        };
        let is_host = host == "localhost" || host.contains(['.', ':']);
        let is_path = host.starts_with('.') || text.ends_with(".toml");
        // A URL has a scheme where a registry has its name.
        is_host && !is_path && !rest.starts_with('/')
    }

    /// The registry as it is connected to, with its port if the reference has one.
    pub(crate) fn registry(&self) -> &str {
        self.inner.resolve_registry()
    }

    /// The application's name in the registry.
    pub(crate) fn repository(&self) -> &str {
        self.inner.repository()
    }

    /// The digest, if the reference has one.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// As it is, with a digest.
    pub(crate) fn with_digest(&self, digest: &Digest) -> Self {
        let inner = match self.inner.tag() {
            // `clone_with_digest` would drop it.
            Some(tag) => oci_client::Reference::with_tag_and_digest(
                self.inner.registry().to_owned(),
                self.inner.repository().to_owned(),
                tag.to_owned(),
                digest.to_string(),
            ),
            None => self.inner.clone_with_digest(digest.to_string()),
        };
        Self {
            inner,
            digest: Some(digest.clone()),
        }
    }

    /// The path of the manifest at the registry.
    pub(crate) fn manifest_path(&self) -> String {
        let name = self.digest.as_ref().map(Digest::as_str);
        let name = name.or(self.inner.tag()).unwrap_or("latest");
        format!("/v2/{}/manifests/{name}", self.inner.repository())
    }

    /// As `oci-client` has it.
    pub(crate) fn inner(&self) -> &oci_client::Reference {
        &self.inner
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_begins_with_a_registry_is_meant_as_a_reference() {
        let both = format!("ghcr.io/acme/store:v1@{DIGEST}");
        let digest = format!("ghcr.io/acme/store@{DIGEST}");
        for (text, read, registry) in [
            ("ghcr.io/acme/store:v1", "ghcr.io/acme/store:v1", "ghcr.io"),
            ("ghcr.io/store", "ghcr.io/store:latest", "ghcr.io"),
            (
                "localhost:5000/store",
                "localhost:5000/store:latest",
                "localhost:5000",
            ),
            ("localhost/store:a", "localhost/store:a", "localhost"),
            (
                "docker.io/store",
                "docker.io/library/store:latest",
                "index.docker.io",
            ),
            (&both, &both, "ghcr.io"),
            (&digest, &digest, "ghcr.io"),
        ] {
            assert!(Reference::names_registry(text), "{text}");
            let reference = Reference::parse(text).expect(text);
            assert_eq!(reference.to_string(), read);
            assert_eq!(reference.registry(), registry);
        }
        for text in [
            "acme/store:v1",
            "store:v1",
            "store",
            "./a.b/c",
            "../a",
            "/a.b/c",
            "store.d/spin.toml",
            "https://example.com/spin",
        ] {
            assert!(!Reference::names_registry(text), "{text}");
        }
    }

    #[test]
    fn a_reference_that_is_meant_as_one_may_leave_the_registry_out() {
        let reference = Reference::parse("acme/store").expect("a reference");
        assert_eq!(reference.to_string(), "docker.io/acme/store:latest");
        assert_eq!(reference.manifest_path(), "/v2/acme/store/manifests/latest");
        let digest = Digest::parse(DIGEST).expect("a digest");
        let exact = reference.with_digest(&digest);
        assert_eq!(
            exact.to_string(),
            format!("docker.io/acme/store:latest@{DIGEST}")
        );
        assert_eq!(exact.digest(), Some(&digest));
        assert_eq!(
            exact.manifest_path(),
            format!("/v2/acme/store/manifests/{DIGEST}")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "at least one component"),
            ("ghcr.io/Acme", "in lower case"),
            ("a b", "registry/repository:tag"),
            ("ghcr.io/a@sha256:12", "invalid"),
            (
                &format!("ghcr.io/a@{}", DIGEST.replace("e3", "E3")),
                "lower case",
            ),
            (
                &format!("ghcr.io/a@sha512:{}", "0".repeat(128)),
                "must be `sha256:`",
            ),
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
