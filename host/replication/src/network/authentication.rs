//! Whether a call may be made: the port is not open to everybody, and the call carries the cluster token where calls do so.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Status};

use super::metadata;
use super::places::{Caller, Refusal};
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

/// What calls carry, and may carry.
struct Carried {
    own: Option<AsciiMetadataValue>,
    /// The own one among them.
    trusted: Vec<Trusted>,
}

/// A token that is trusted.
#[derive(Clone)]
struct Trusted {
    /// `Bearer` and the token.
    header: AsciiMetadataValue,
    revocation: Revocation,
}

/// Tells a call that the token which it carries is no longer trusted. It goes with the call: a stream that a token has opened
/// would outlive the token.
#[derive(Clone, Default)]
pub struct Revocation(CancellationToken);

impl Revocation {
    /// Waits until the token is no longer trusted that a call with these `extensions` carries. Never ends for a call that
    /// carries none.
    pub fn of(extensions: &Extensions) -> impl Future<Output = ()> + Send + use<> {
        let revocation = extensions.get::<Self>().cloned().unwrap_or_default();
        revocation.0.cancelled_owned()
    }
}

impl Carried {
    /// Those of `known` that are trusted still stay as they are.
    fn of(token: &ClusterToken, known: &[Trusted]) -> Self {
        let trusted = token.trusted().filter_map(header).map(|header| {
            let known = known.iter().find(|known| known.header == header);
            known.cloned().unwrap_or_else(|| Trusted {
                header,
                revocation: Revocation::default(),
            })
        });
        Self {
            own: header(token.own()),
            trusted: trusted.collect(),
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
            carried: token.map(|token| Arc::new(Mutex::new(Carried::of(token, &[])))),
        }
    }

    /// Whether calls carry a token.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        self.carried.is_some()
    }

    /// Goes by another token from now on, where calls carry one. What another token than one of these has opened ends.
    pub fn change(&self, token: &ClusterToken) {
        let Some(carried) = &self.carried else {
            return;
        };
        let mut carried = carried.lock();
        let now = Carried::of(token, &carried.trusted);
        let before = std::mem::replace(&mut *carried, now);
        for old in before.trusted {
            if !carried.trusted.iter().any(|now| now.header == old.header) {
                old.revocation.0.cancel();
            }
        }
    }

    /// What a call carries.
    #[must_use]
    pub fn metadata(&self) -> Option<AsciiMetadataValue> {
        self.carried.as_ref()?.lock().own.clone()
    }

    /// Checks that a call knows the token, which takes as long for a token that is nearly right as for any other of its
    /// length. Gives what tells when this token is no longer trusted.
    fn check_token(&self, call: &MetadataMap) -> Result<Option<Revocation>, Status> {
        let refused = match (&self.carried, call.get(metadata::AUTHORIZATION)) {
            (None, None) => return Ok(None),
            (Some(carried), Some(given)) => {
                let given = given.as_encoded_bytes();
                let carried = carried.lock();
                let is_given =
                    |trusted: &&Trusted| bool::from(given.ct_eq(trusted.header.as_encoded_bytes()));
                if let Some(trusted) = carried.trusted.iter().find(is_given) {
                    return Ok(Some(trusted.revocation.clone()));
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
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let checked = self.check_token(request.metadata());
        let revocation = checked.inspect_err(|status| {
            let caller = request.extensions().get::<Caller>();
            if let Some(place) = caller.and_then(Caller::place) {
                place.refuse(Refusal::Token, status.message());
            }
        })?;
        if let Some(revocation) = revocation {
            request.extensions_mut().insert(revocation);
        }
        Ok(request)
    }
}
