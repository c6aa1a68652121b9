//! Credentials for a registry, from the Docker configuration file: `config.json` in `$DOCKER_CONFIG`, or in `~/.docker`.
//!
//! `docker login` writes it, and so do `podman` and `kubectl create secret docker-registry`. What it may hold: `auths`,
//! `credHelpers`, `credsStore`.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::RegistryError;

/// What a credential helper prints when it has nothing for a registry.
const HELPER_HAS_NONE: &str = "credentials not found";

/// What someone is known by to a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// A user with a password, or with an access token in its place.
    Password { user: String, password: String },
    /// What a token service takes in place of a password.
    IdentityToken(String),
}

/// Without what is secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => f.debug_tuple("Password").field(user).finish(),
            Self::IdentityToken(_) => f.write_str("IdentityToken"),
        }
    }
}

/// The credentials for `registry`.
///
/// # Errors
///
/// The file cannot be read or is malformed, or its credential helper fails.
pub(crate) fn find(registry: &str) -> Result<Credentials, RegistryError> {
    match config_file(|name| std::env::var_os(name).map(PathBuf::from)) {
        Some(path) => read(path, registry),
        None => Ok(Credentials::None),
    }
}

/// Where the file is, if it is anywhere.
fn config_file(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = var("DOCKER_CONFIG").filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.or_else(|| var("HOME").map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn read(path: PathBuf, registry: &str) -> Result<Credentials, RegistryError> {
    let fault = |fault: String| RegistryError::Credentials {
        path: path.clone(),
        fault,
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Credentials::None);
        }
        Err(error) => return Err(fault(format!("it cannot be read: {error}"))),
    };
    match docker_credential::get_credential_from_reader(BufReader::new(file), registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Credentials::Password { user, password })
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Credentials::IdentityToken(token)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(Credentials::None),
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if stdout.contains(HELPER_HAS_NONE) || stderr.contains(HELPER_HAS_NONE) =>
        {
            Ok(Credentials::None)
        }
        Err(CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        }) => {
            let said = if stderr.trim().is_empty() {
                stdout
            } else {
                stderr
            };
            Err(fault(format!(
                "its credential helper {helper} failed for {registry}: {}",
                said.trim()
            )))
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(fault(format!(
            "the credential helper that it names for {registry} cannot be run; put docker-credential-… on the PATH"
        ))),
        Err(CredentialRetrievalError::ConfigReadError) => {
            Err(fault("it is not the JSON that it should be".to_owned()))
        }
        Err(error) => Err(fault(format!("{registry}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, registry: &str) -> Result<Credentials, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).expect("the configuration is written");
        read(path, registry).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_is_where_docker_has_it() {
        let find = |docker: Option<&str>, home: Option<&str>| {
            config_file(|name| match name {
                "DOCKER_CONFIG" => docker.map(PathBuf::from),
                _ => home.map(PathBuf::from),
            })
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(find(Some("/d"), Some("/h")), path("/d/config.json"));
        assert_eq!(find(None, Some("/h")), path("/h/.docker/config.json"));
        assert_eq!(find(Some(""), Some("/h")), path("/h/.docker/config.json"));
        assert_eq!(find(None, None), None);
    }

    #[test]
    fn a_registry_gets_its_own_credentials_and_no_others() {
        let me = Ok(Credentials::Password {
            user: "me".into(),
            password: "secret".into(),
        });
        // base64 of `me:secret`
        let config = r#"{"auths": {"registry.test:5000": {"auth": "bWU6c2VjcmV0"},
            "https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"}}}"#;
        assert_eq!(found(config, "registry.test:5000"), me);
        assert_eq!(found(config, "index.docker.io"), me);
        assert_eq!(found(config, "registry.test"), Ok(Credentials::None));
        assert_eq!(found("{}", "registry.test"), Ok(Credentials::None));
        // As Azure's `az acr login` writes it: a user of zeros whose password is in `identitytoken`.
        let identity = r#"{"auths": {"r.test": {"auth": "MDA6", "identitytoken": "secret"}}}"#;
        assert_eq!(
            found(identity, "r.test"),
            Ok(Credentials::IdentityToken("secret".into()))
        );
        let nowhere = PathBuf::from("/no/such/config.json");
        assert!(matches!(
            read(nowhere, "registry.test"),
            Ok(Credentials::None)
        ));
    }

    #[test]
    fn secrets_are_not_printed() {
        for config in [
            r#"{"auths": {"r.test": {"identitytoken": "secret"}}}"#,
            r#"{"auths": {"r.test": {"username": "me", "password": "secret"}}}"#,
        ] {
            let printed = format!("{:?}", found(config, "r.test"));
            assert!(
                printed.starts_with("Ok(") && !printed.contains("secret"),
                "{printed}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        for (config, part) in [
            ("{", "not the JSON"),
            (r#"{"auths": {"r.test": {"auth": "*"}}}"#, "decode"),
            (r#"{"credHelpers": {"r.test": "no-such"}}"#, "cannot be run"),
        ] {
            let error = found(config, "r.test").unwrap_err();
            assert!(
                error.contains(part) && error.contains("config.json"),
                "{config}: {error}"
            );
        }
    }
}
