//! [`Connector`]: makes a connection to another node. It is secured, tried again where that is of use, and what keeps it from being trusted is
//! logged.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::connection::{Io, Transport};
use super::occasional::Occasional;
use super::peer_error::PeerError;
use super::tls::{Distrust, PeerTls};

/// How often a handshake is tried that is cut, or gets no answer in time.
const HANDSHAKES: usize = 3;

/// Makes connections to other nodes.
pub(super) struct Connector {
    transport: Arc<dyn Transport>,
    tls: Option<PeerTls>,
    /// Of those that are not trusted.
    warnings: Occasional,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Connects over `transport`, under TLS where it is given.
    pub fn new(transport: Arc<dyn Transport>, tls: Option<PeerTls>) -> Self {
        Self {
            transport,
            tls,
            warnings: Occasional::default(),
        }
    }

    /// Connects to the node at `address`. Logs where the two do not trust each other, though not every time.
    ///
    /// # Errors
    ///
    /// The node cannot be reached, or TLS with it fails.
    pub async fn connect(&self, address: &str) -> io::Result<Io> {
        let io = self.transport.connect(address).await?;
        let Some(tls) = &self.tls else {
            return Ok(io);
        };
        let mut secured = tls.client(host_of(address), io).await;
        // A crowd of strangers may have pushed it out before the node came to hear it.
        for _ in 1..HANDSHAKES {
            if !matches!(&secured, Err(error) if is_cut(error)) {
                break;
            }
            let io = self.transport.connect(address).await?;
            secured = tls.client(host_of(address), io).await;
        }
        secured.inspect_err(|error| {
            if let Some(reason) = Distrust::of(error) {
                let untrusted = PeerError::Distrusted {
                    address: address.to_owned(),
                    reason: reason.to_string(),
                };
                self.warnings.warn(address, || untrusted.to_string());
            }
        })
    }
}

/// Whether a connection was cut or left alone by the other side, and not because of what was said.
fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::TimedOut
    )
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
