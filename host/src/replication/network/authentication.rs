//! The cluster token, which every call has to carry where the cluster has one.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::metadata;

/// The least secret that is worth having, in bytes.
const MIN_TOKEN_BYTES: usize = 16;

/// The longest secret, in bytes: it goes with every call. A token of a service account of Kubernetes has room, which has up to
/// some 1,500 bytes.
const MAX_TOKEN_BYTES: usize = 2048;

/// What comes before the token in its header.
const PREFIX: &str = "Bearer ";

/// The most that is read of a token's file, in bytes: a token, and more space around it than anybody leaves.
const MAX_FILE_BYTES: u64 = 16 << 10;

/// What is wrong with a token. It does not show the token, which is a secret even so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidToken {
    /// It is too short or too long.
    #[error("it has {0} bytes, and must have {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES}")]
    Length(usize),
    /// It has a character that is no printable one of ASCII: the place of its byte, from 1.
    #[error("its byte {0} is not a letter, digit or sign of ASCII, and all have to be")]
    Character(usize),
}

/// Why a file has no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("the file {} cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What it has is no token.
    #[error("the file {} has no usable cluster token: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: InvalidToken,
    },
}

/// Reads the token of a cluster from a file. Space around it is ignored.
///
/// # Errors
///
/// The file cannot be read, or what it has is no token.
pub fn read_token(file: &Path) -> Result<Bytes, TokenError> {
    let mut bytes = Vec::new();
    // Bounded, since the name may be that of a device.
    let read = File::open(file).and_then(|open| open.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| TokenError::Read {
        file: file.to_owned(),
        source,
    })?;
    parse_token(&bytes).map_err(|reason| TokenError::Invalid {
        file: file.to_owned(),
        reason,
    })
}

/// The token of a cluster, as somebody has written it. Space around it is ignored.
///
/// # Errors
///
/// It is no token.
pub fn parse_token(text: &[u8]) -> Result<Bytes, InvalidToken> {
    let token = text.trim_ascii();
    check(token)?;
    Ok(Bytes::copy_from_slice(token))
}

fn check(token: &[u8]) -> Result<(), InvalidToken> {
    if !(MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&token.len()) {
        return Err(InvalidToken::Length(token.len()));
    }
    match token.iter().position(|byte| !byte.is_ascii_graphic()) {
        Some(index) => Err(InvalidToken::Character(index + 1)),
        None => Ok(()),
    }
}

/// Anybody could reach the peers' port.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "other nodes would be listened for on {listen}, where anybody could call: give --cluster-token-file with a secret that \
     all nodes know (or cluster_token in the runtime configuration), or --peer-tls-cert, --peer-tls-key and --peer-tls-ca; \
     or listen on a loopback address only (--peer-listen 127.0.0.1:7000)"
)]
pub struct Exposed {
    listen: SocketAddr,
}

/// Whether the peers' port may be where it is to be.
///
/// # Errors
///
/// It can be reached from other machines, and there is neither a token nor TLS.
pub fn check_exposure(listen: SocketAddr, token: bool, tls: bool) -> Result<(), Exposed> {
    if listen.ip().to_canonical().is_loopback() || token || tls {
        Ok(())
    } else {
        Err(Exposed { listen })
    }
}

/// Signs calls to other nodes, and checks those from them.
#[derive(Clone)]
pub struct Authentication {
    /// `Bearer` and the token.
    expected: Option<AsciiMetadataValue>,
}

impl fmt::Debug for Authentication {
    /// The token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected.as_ref().map(|_| "…");
        f.debug_struct("Authentication")
            .field("expected", &expected)
            .finish()
    }
}

impl Authentication {
    /// With this token, or none.
    ///
    /// # Errors
    ///
    /// The token is none that [`read_token`] would give. To go on without it would be to let everybody in.
    pub fn new(token: Option<Bytes>) -> Result<Self, InvalidToken> {
        let expected = token.as_deref().map(header).transpose()?;
        Ok(Self { expected })
    }

    /// What a call carries.
    #[must_use]
    pub fn metadata(&self) -> Option<AsciiMetadataValue> {
        self.expected.clone()
    }

    /// Checks that a call knows the token, which takes as long for a token that is nearly right as for any other of its
    /// length.
    fn check_token(&self, call: &MetadataMap) -> Result<(), Status> {
        let refused = match (&self.expected, call.get(metadata::AUTHORIZATION)) {
            (None, None) => return Ok(()),
            (Some(expected), Some(given)) => {
                if bool::from(given.as_encoded_bytes().ct_eq(expected.as_encoded_bytes())) {
                    return Ok(());
                }
                "the cluster token of the call is another one than this node's; give all nodes the same one with \
                 --cluster-token-file, or cluster_token in the runtime configuration"
            }
            (Some(_), None) => {
                "the cluster token is missing: this node has one, and the call carries none; give all nodes the same one with \
                 --cluster-token-file, or cluster_token in the runtime configuration"
            }
            // Half a cluster with a token does not work: the calls in the other direction would carry none.
            (None, Some(_)) => {
                "the call carries a cluster token, and this node has none; give all nodes the same one with \
                 --cluster-token-file, or cluster_token in the runtime configuration"
            }
        };
        Err(Status::unauthenticated(refused))
    }
}

/// `Bearer` and the token.
fn header(token: &[u8]) -> Result<AsciiMetadataValue, InvalidToken> {
    check(token)?;
    let text = [PREFIX.as_bytes(), token].concat();
    let mut value = AsciiMetadataValue::try_from(text).map_err(|_| InvalidToken::Character(1))?;
    // Neither shown in logs nor kept in the tables that compress headers.
    value.set_sensitive(true);
    Ok(value)
}

impl Interceptor for Authentication {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check_token(request.metadata())?;
        Ok(request)
    }
}
