//! Whether a call may be made: the port is not open to everybody, and the call carries the cluster token where calls do so.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::metadata;
use super::places::Caller;
use super::token::{ClusterToken, Token};

/// What comes before the token in its header.
const PREFIX: &str = "Bearer ";

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

/// Signs calls to other nodes, and checks those from them. Clones go by the same token.
#[derive(Clone, Default)]
pub struct Authentication {
    /// What calls carry; nothing where they carry no token.
    carried: Option<Arc<Mutex<Carried>>>,
}

/// `Bearer` and the token.
struct Carried {
    own: Option<AsciiMetadataValue>,
    /// Of those that are trusted, the own one among them.
    trusted: Vec<AsciiMetadataValue>,
}

impl Carried {
    fn of(token: &ClusterToken) -> Self {
        let trusted: Vec<_> = token.trusted().filter_map(header).collect();
        Self {
            own: header(token.own()),
            trusted,
        }
    }
}

impl fmt::Debug for Authentication {
    /// The token is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let carried = self.carried.as_ref().map(|_| "…");
        f.debug_struct("Authentication")
            .field("carried", &carried)
            .finish()
    }
}

impl Authentication {
    /// For calls that carry this token, or none.
    #[must_use]
    pub fn new(token: Option<&ClusterToken>) -> Self {
        Self {
            carried: token.map(|token| Arc::new(Mutex::new(Carried::of(token)))),
        }
    }

    /// Whether calls carry a token.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        self.carried.is_some()
    }

    /// Goes by another token from now on, where calls carry one.
    pub fn change(&self, token: &ClusterToken) {
        if let Some(carried) = &self.carried {
            *carried.lock() = Carried::of(token);
        }
    }

    /// What a call carries.
    #[must_use]
    pub fn metadata(&self) -> Option<AsciiMetadataValue> {
        self.carried.as_ref()?.lock().own.clone()
    }

    /// Checks that a call knows the token, which takes as long for a token that is nearly right as for any other of its
    /// length.
    fn check_token(&self, call: &MetadataMap) -> Result<(), Status> {
        let refused = match (&self.carried, call.get(metadata::AUTHORIZATION)) {
            (None, None) => return Ok(()),
            (Some(carried), Some(given)) => {
                let given = given.as_encoded_bytes();
                let carried = carried.lock();
                let is_given = |trusted: &&AsciiMetadataValue| {
                    bool::from(given.ct_eq(trusted.as_encoded_bytes()))
                };
                if carried.trusted.iter().any(|trusted| is_given(&trusted)) {
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

/// `Bearer` and the token. A token has nothing that a header cannot have.
fn header(token: &Token) -> Option<AsciiMetadataValue> {
    let text = [PREFIX.as_bytes(), token.secret()].concat();
    let mut value = AsciiMetadataValue::try_from(text).ok()?;
    // Neither shown in logs nor kept in the tables that compress headers.
    value.set_sensitive(true);
    Some(value)
}

impl Interceptor for Authentication {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check_token(request.metadata()).inspect_err(|status| {
            let caller = request.extensions().get::<Caller>();
            if let Some(place) = caller.and_then(Caller::place) {
                place.refuse(status.message());
            }
        })?;
        Ok(request)
    }
}
