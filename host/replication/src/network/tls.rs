//! Mutual TLS between nodes: each proves to the other that it belongs to the same cluster.
//!
//! With a cluster token alone, by certificates that follow from it, see `authority.rs`. With files, by certificates that an
//! authority has signed: one has to name, as a DNS name or an IP address in its subject alternative names, the host under
//! which other nodes reach its node; and where it limits what it is good for (extended key usage), to servers and clients
//! both.
//!
//! Files that have changed are read again when the next connection is made or accepted, since certificates are renewed
//! while nodes run. Connections that are open stay. The connections that a token has opened end when it is no longer trusted.

mod authority;
mod chain;
mod distrust;
mod files;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::CommonState;
#[cfg(test)]
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
#[cfg(test)]
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::authority::{Authority, NAME, WELCOME};
pub use self::distrust::{Cut, Distrust, NO_TLS_ALERT, Proof, needless};
pub use self::files::TlsError;
use super::connection::Io;
use super::revocable::Revocable;
use super::stamp::Stamp;
use super::token::ClusterToken;
use crate::options::PeerTlsFiles;

/// How long the other side may take for a handshake that this side has begun.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the other side of a handshake that has failed may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// The most that it may still send meanwhile, in bytes.
const MAX_LINGER_BYTES: u64 = 64 << 10;

/// How much of what has arrived is taken from the system at a time, in bytes. rustls asks for 4 KiB, of which a batch has many.
const READ_BYTES: usize = 32 << 10;

/// Both sides of TLS. Clones share what they were made of.
#[derive(Clone)]
pub struct PeerTls(Arc<Shared>);

/// The side that accepts connections.
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    origin: Origin,
    sides: Mutex<Sides>,
}

/// Where certificates are from.
enum Origin {
    Files(PeerTlsFiles),
    Token,
}

#[derive(Clone)]
struct Sides {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    /// Those that follow from tokens.
    authorities: Vec<Arc<Authority>>,
    /// Of the files that were read last, of use or not.
    stamps: Option<[Stamp; 3]>,
}

impl Sides {
    fn read(files: &PeerTlsFiles, stamps: [Stamp; 3]) -> Result<Self, TlsError> {
        let (client, server) = files::read(files)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            authorities: Vec::new(),
            stamps: Some(stamps),
        })
    }

    /// Of a token; `known` are authorities that were made before.
    fn derive(token: &ClusterToken, known: &[Arc<Authority>]) -> Result<Self, TlsError> {
        let authorities = token.trusted().map(|token| {
            let known = known.iter().find(|known| known.is_of(token));
            known.map_or_else(
                || Authority::of(token).map(Arc::new),
                |known| Ok(known.clone()),
            )
        });
        let authorities = authorities.collect::<Result<Vec<_>, _>>()?;
        let (client, server) = authority::sides(&authorities)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            authorities,
            stamps: None,
        })
    }

    /// The authority by whose certificate the other side of a session is trusted, where that follows from a token.
    ///
    /// # Errors
    ///
    /// The certificate is one that no node makes. Its connection would outlive the token that has opened it.
    fn behind(&self, session: &CommonState) -> io::Result<Option<Arc<Authority>>> {
        if self.authorities.is_empty() {
            return Ok(None);
        }
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let signed = shown.and_then(|shown| {
            let mut authorities = self.authorities.iter();
            authorities.find(|authority| authority.has_signed(shown))
        });
        match signed {
            Some(authority) => Ok(Some(authority.clone())),
            None => {
                let words = "no node makes a certificate like its own of the cluster token";
                Err(Distrust(words.into()).into())
            }
        }
    }
}

/// A connection that ends once the token that has opened it is no longer trusted.
fn bound_to(authority: Option<Arc<Authority>>, io: Io) -> Io {
    let Some(authority) = authority else {
        return io;
    };
    let revoked = authority.revoked.clone().cancelled_owned();
    let end = async move {
        revoked.await;
        let words = "the cluster token that has opened it is no longer trusted";
        Some(io::Error::new(io::ErrorKind::ConnectionAborted, words))
    };
    Box::new(Revocable::begun(io, &[]).ending(Box::pin(end)))
}

impl Shared {
    /// What a connection needs that is made now: from the files as they are, or as they were when they last were of use.
    fn current(&self) -> Sides {
        let mut sides = self.sides.lock();
        if let Origin::Files(files) = &self.origin {
            // Looked at before they are read: what is written meanwhile is read next time.
            let stamps = files::stamps(files);
            if sides.stamps.as_ref() != Some(&stamps) {
                match Sides::read(files, stamps.clone()) {
                    Ok(read) => {
                        *sides = read;
                        tracing::info!("has read the changed files for TLS between nodes");
                    }
                    Err(error) => {
                        // Some of them may only be on their way. It is said once for what is there now.
                        sides.stamps = Some(stamps);
                        tracing::warn!(
                            "the changed files for TLS between nodes are no use, and the old ones stay: {error}"
                        );
                    }
                }
            }
        }
        sides.clone()
    }

    fn proof(&self) -> Proof {
        match self.origin {
            Origin::Files(_) => Proof::Certificate,
            Origin::Token => Proof::Token,
        }
    }
}

impl PeerTls {
    /// Reads the files, which are read again when they have changed. New ones that are no use are said so in the log, and
    /// leave it at the old ones.
    ///
    /// # Errors
    ///
    /// A file is missing or is no PEM, the key is not that of the certificate, or the certificate is one that other nodes
    /// would refuse: the authority has not signed it, it has expired, or it is not for servers and clients both.
    pub fn load(files: &PeerTlsFiles) -> Result<Self, TlsError> {
        let sides = Sides::read(files, files::stamps(files))?;
        Ok(Self(Arc::new(Shared {
            origin: Origin::Files(files.clone()),
            sides: Mutex::new(sides),
        })))
    }

    /// Makes what follows from a token. It takes a tenth of a second, unless the token was [derived](ClusterToken::derive)
    /// before.
    ///
    /// # Errors
    ///
    /// There is too little memory.
    pub fn of(token: &ClusterToken) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Shared {
            origin: Origin::Token,
            sides: Mutex::new(Sides::derive(token, &[])?),
        })))
    }

    /// Goes by another token from now on. Connections stay that one has opened which is trusted still, and the others end.
    /// Takes as long as [`of`](Self::of).
    ///
    /// # Errors
    ///
    /// There is too little memory. Then all stays as it is.
    pub fn trust(&self, token: &ClusterToken) -> Result<(), TlsError> {
        let known = self.0.sides.lock().authorities.clone();
        let sides = Sides::derive(token, &known)?;
        let trusted = sides.authorities.clone();
        *self.0.sides.lock() = sides;
        // Only now: those whose connections end make new ones.
        for old in known {
            if !trusted.iter().any(|trusted| Arc::ptr_eq(trusted, &old)) {
                old.revoked.cancel();
            }
        }
        Ok(())
    }

    /// The certificates of the authorities that follow from the tokens.
    #[cfg(test)]
    pub(super) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        let sides = self.0.sides.lock();
        let authorities = sides.authorities.iter();
        authorities.map(|known| known.certificate.clone()).collect()
    }

    /// What both sides are set up with now.
    #[cfg(test)]
    pub(super) fn configurations(&self) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
        let sides = self.0.current();
        (
            sides.connector.config().clone(),
            sides.acceptor.config().clone(),
        )
    }

    /// Encrypts a connection that was made to `host`, a name or an IP address.
    ///
    /// # Errors
    ///
    /// The other side does not prove that it belongs to the cluster, with a certificate from a file for `host`; or it does
    /// not answer in time. With a token it is known as well then that the other side trusts this one; with files that is
    /// known only when the connection is read.
    pub async fn client(&self, host: &str, io: Io) -> io::Result<Io> {
        let proof = self.0.proof();
        let host = if proof == Proof::Token { NAME } else { host };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}"))
        })?;
        let sides = self.0.current();
        let handshake = async {
            let mut io = sides.connector.connect(name, read_ahead(io)).await?;
            if proof == Proof::Token && io.read_u8().await? != WELCOME {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(io)
        };
        // A connection that is cut now would not be found dead for minutes: nothing above it watches it yet.
        let io = timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| {
            let reason = format!("no TLS handshake within {HANDSHAKE_TIMEOUT:?}");
            io::Error::new(io::ErrorKind::TimedOut, reason)
        })?;
        let io = io.map_err(|error| proof.explain_call(error))?;
        let authority = sides.behind(io.get_ref().1)?;
        Ok(bound_to(authority, Box::new(io)))
    }

    /// The side that accepts connections.
    #[must_use]
    pub fn server(&self) -> ServerTls {
        ServerTls(self.0.clone())
    }
}

impl ServerTls {
    /// What this side proves itself with.
    pub fn proof(&self) -> Proof {
        self.0.proof()
    }

    /// Encrypts a connection that was accepted.
    ///
    /// # Errors
    ///
    /// What came is no TLS, or does not prove that it belongs to the cluster.
    pub async fn accept(&self, io: Io) -> io::Result<Io> {
        let proof = self.0.proof();
        let sides = self.0.current();
        match sides.acceptor.accept(read_ahead(io)).into_fallible().await {
            Ok(mut io) => {
                let authority = sides.behind(io.get_ref().1)?;
                if proof == Proof::Token {
                    io.write_u8(WELCOME).await?;
                    io.flush().await?;
                }
                Ok(bound_to(authority, Box::new(io)))
            }
            Err((error, io)) => {
                drain(Box::new(io)).await;
                Err(proof.explain_answer(error))
            }
        }
    }
}

fn read_ahead(io: Io) -> BufReader<Io> {
    BufReader::with_capacity(READ_BYTES, io)
}

/// Says that no more comes, and reads what the other side has sent before it knew that it is refused. Where a connection is
/// closed with something unread, TCP takes back what was written, and here that is why it is refused.
pub async fn drain(mut io: Io) {
    let draining = async {
        if io.shutdown().await.is_ok() {
            let rest = &mut io.take(MAX_LINGER_BYTES);
            tokio::io::copy(rest, &mut tokio::io::sink()).await.ok();
        }
    };
    timeout(LINGER, draining).await.ok();
}
