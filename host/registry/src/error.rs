//! [`RegistryError`]: what can go wrong between this host and a registry, in words.

use std::path::PathBuf;

use spindrift_app::{AppError, Digest};

/// Why an application could not be had from a registry, or not be put there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The application says something that is wrong or not supported here, or a file of it cannot be read.
    #[error(transparent)]
    Application(AppError),
    /// The registry's name is unknown.
    #[error(
        "{reference}: there is no host of the name of the registry {registry} ({reason}). Check the name; a path to a \
         spin.toml must exist, or begin with ./"
    )]
    UnknownHost {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
        /// What the system said.
        reason: String,
    },
    /// The registry cannot be connected to, or the connection broke.
    #[error("{reference}: the registry {registry} cannot be reached: {reason}{hint}")]
    Unreachable {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
        /// What the system said.
        reason: String,
        /// What may help, with a space in front; empty if nothing is known to.
        hint: &'static str,
    },
    /// The registry does not speak TLS.
    #[error(
        "{reference}: what listens at {registry} does not speak TLS. If it is meant to be a registry without TLS, add \
         --insecure"
    )]
    PlainHttp {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
    },
    /// The registry speaks TLS and was spoken to without.
    #[error("{reference}: the registry {registry} speaks TLS. Leave --insecure out")]
    Tls {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
    },
    /// The registry's certificate is not trusted.
    #[error(
        "{reference}: the certificate of the registry {registry} is not trusted ({reason}). For an authority of your own, \
         name the file with its certificate (PEM) in SSL_CERT_FILE"
    )]
    Certificate {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Whom to trust is not known.
    #[error(
        "no certificates of authorities are found on this system ({reason}). Install them (on Debian: ca-certificates), or \
         name a file with some (PEM) in SSL_CERT_FILE"
    )]
    NoAuthorities {
        /// What the search for them said.
        reason: String,
    },
    /// The registry wants credentials, and there are none.
    #[error(
        "{reference}: the registry wants to know who asks, and the Docker configuration has no credentials for it. Log in \
         with `docker login {registry}`, or name the folder of another config.json in DOCKER_CONFIG"
    )]
    NoCredentials {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
    },
    /// The registry refuses the credentials, or what they are used for.
    #[error(
        "{reference}: the registry does not let {user} {action} this{said}. Check the name, and log in as someone who may \
         with `docker login {registry}`"
    )]
    Denied {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
        /// Who asked.
        user: String,
        /// `pull` or `push`.
        action: &'static str,
        /// What the registry said, with a colon in front.
        said: String,
    },
    /// The token service that the registry names gives no token.
    #[error("{reference}: the token service of the registry {registry}, {realm}, {fault}")]
    TokenService {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
        /// Where the token service is.
        realm: String,
        /// What is wrong with it, or with what it was asked for, as the end of a sentence.
        fault: String,
    },
    /// An identity token is of use at a token service only, and the registry has none.
    #[error(
        "{reference}: the Docker configuration has an identity token for {registry}, and the registry wants a password. Log \
         in with one with `docker login {registry}`"
    )]
    NoTokenService {
        /// What was asked for.
        reference: String,
        /// The registry.
        registry: String,
    },
    /// What would have to be asked for is not in the cache, and nothing may be asked.
    #[error("{reference}: {what}, and --offline keeps the registry from being asked. {hint}")]
    Offline {
        /// What was asked for.
        reference: String,
        /// What is missing, as a clause.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// There is no such reference.
    #[error("{reference}: the registry has no such repository, tag or digest")]
    NotFound {
        /// What was asked for.
        reference: String,
    },
    /// The registry answered with what nothing else here stands for.
    #[error("{reference}: the registry answered {status}{said}")]
    Answer {
        /// What was asked for.
        reference: String,
        /// The status, or what was wrong with the answer.
        status: String,
        /// What the registry said, with a colon in front.
        said: String,
    },
    /// The reference is of something else than an application.
    #[error("{reference} is no Spin application: {what}")]
    NoApplication {
        /// What was asked for.
        reference: String,
        /// What it is.
        what: String,
    },
    /// The locked application cannot be understood.
    #[error("{reference}: its locked application {fault}")]
    Locked {
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Content has another digest than it is listed with.
    #[error(
        "{reference}: {what} has been changed since it was pushed: it should have the digest {expected}, and has {actual}. \
         Nothing of it is used; push the application again"
    )]
    Digest {
        /// What was asked for.
        reference: String,
        /// Which content.
        what: String,
        /// The digest that it is listed with.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// Content has another size than it is listed with.
    #[error(
        "{reference}: {what} has been changed or cut since it was pushed: it should have {expected} bytes, and has {actual}. \
         Nothing of it is used; push the application again"
    )]
    Size {
        /// What was asked for.
        reference: String,
        /// Which content.
        what: String,
        /// The size that it is listed with, in bytes.
        expected: u64,
        /// The size of what came, such as `12` or `more`.
        actual: String,
    },
    /// Content is not in the registry.
    #[error(
        "{reference}: {what} ({digest}) is missing from the registry. Push the application again"
    )]
    Missing {
        /// What was asked for.
        reference: String,
        /// Which content.
        what: String,
        /// Its digest.
        digest: Digest,
    },
    /// Something is larger than it may be.
    #[error("{reference}: {what} is too large: {size}, and at most {limit} are taken")]
    TooLarge {
        /// What was asked for.
        reference: String,
        /// What it is.
        what: String,
        /// How large it is, with the unit.
        size: String,
        /// The limit, with the unit.
        limit: String,
    },
    /// An archive layer is malformed, or holds what it may not.
    #[error("{reference}: {what} {fault}")]
    Archive {
        /// What was asked for.
        reference: String,
        /// Which archive.
        what: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The Docker configuration is of no use.
    #[error("the Docker configuration {}: {fault}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// What was pulled or downloaded can be kept nowhere.
    #[error(
        "what comes over the network can be kept nowhere: there is no folder for a cache, and the temporary folder {} \
         cannot be written to ({reason}). Name a folder that can be with --cache-dir or TMPDIR",
        temporary.display()
    )]
    NoFolder {
        /// The system's temporary folder.
        temporary: PathBuf,
        /// Why it cannot be written to.
        reason: String,
    },
    /// A file of what was pulled or downloaded could not be written or read.
    #[error(
        "cannot keep what comes over the network in {}: {reason}. Name another folder with --cache-dir",
        path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// This process cannot wait for a network.
    #[error("no input and output could be set up: {0}")]
    Thread(std::io::Error),
    /// The application cannot be pushed.
    #[error("{0}")]
    Push(String),
}

impl From<AppError> for RegistryError {
    fn from(error: AppError) -> Self {
        Self::Application(error)
    }
}
