//! Mutual TLS between nodes: each shows a certificate that the cluster's authority has signed, and wants one.
//!
//! A certificate has to name, as a DNS name or an IP address in its subject alternative names, the host under which other
//! nodes reach its node; and where it limits what it is good for (extended key usage), to servers and clients both.
//!
//! Files that have changed are read again when the next connection is made or accepted, since certificates are renewed
//! while nodes run. Connections that are open stay.

mod files;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::files::Stamp;
pub use self::files::TlsError;
use super::connection::Io;
use crate::replication::options::PeerTlsFiles;

/// How long the other side may take for a handshake that this side has begun.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the other side of a handshake that has failed may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// The most that it may still send meanwhile, in bytes.
const MAX_LINGER_BYTES: u64 = 64 << 10;

/// Both sides of TLS. Clones share what was read.
#[derive(Clone)]
pub struct PeerTls(Arc<Shared>);

/// The side that accepts connections.
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    files: PeerTlsFiles,
    sides: Mutex<Sides>,
}

struct Sides {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    /// Of the files that were read last, of use or not.
    stamp: Stamp,
}

impl Sides {
    fn read(files: &PeerTlsFiles, stamp: Stamp) -> Result<Self, TlsError> {
        let (client, server) = files::read(files)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            stamp,
        })
    }
}

impl Shared {
    /// What a connection needs that is made now: from the files as they are, or as they were when they last were of use.
    fn current<T>(&self, side: impl FnOnce(&Sides) -> T) -> T {
        let mut sides = self.sides.lock();
        // Looked at before they are read: what is written meanwhile is read next time.
        let stamp = Stamp::of(&self.files);
        if stamp != sides.stamp {
            match Sides::read(&self.files, stamp.clone()) {
                Ok(read) => {
                    *sides = read;
                    tracing::info!("has read the changed files for TLS between nodes");
                }
                Err(error) => {
                    // Some of them may only be on their way. It is said once for what is there now.
                    sides.stamp = stamp;
                    tracing::warn!(
                        "the changed files for TLS between nodes are no use, and the old ones stay: {error}"
                    );
                }
            }
        }
        side(&sides)
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
        let sides = Sides::read(files, Stamp::of(files))?;
        Ok(Self(Arc::new(Shared {
            files: files.clone(),
            sides: Mutex::new(sides),
        })))
    }

    /// Encrypts a connection that was made to `host`, a name or an IP address.
    ///
    /// # Errors
    ///
    /// The other side's certificate is not signed by the authority, or not for `host`; or it does not answer in time.
    /// Whether it accepts our certificate is known only when the connection is read.
    pub async fn client(&self, host: &str, io: Io) -> io::Result<Io> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}"))
        })?;
        // A connection that is cut now would not be found dead for minutes: nothing above it watches it yet.
        let connector = self.0.current(|sides| sides.connector.clone());
        let connected = timeout(HANDSHAKE_TIMEOUT, connector.connect(name, io)).await;
        let io = connected.map_err(|_| {
            let reason = format!("no TLS handshake within {HANDSHAKE_TIMEOUT:?}");
            io::Error::new(io::ErrorKind::TimedOut, reason)
        })??;
        Ok(Box::new(io))
    }

    /// The side that accepts connections.
    #[must_use]
    pub fn server(&self) -> ServerTls {
        ServerTls(self.0.clone())
    }
}

impl ServerTls {
    /// Encrypts a connection that was accepted.
    ///
    /// # Errors
    ///
    /// What came is no TLS, or has no certificate that the authority has signed.
    pub async fn accept(&self, io: Io) -> io::Result<Io> {
        let acceptor = self.0.current(|sides| sides.acceptor.clone());
        match acceptor.accept(io).into_fallible().await {
            Ok(io) => Ok(Box::new(io)),
            Err((error, io)) => {
                timeout(LINGER, drain(io)).await.ok();
                Err(error)
            }
        }
    }
}

/// Says that no more comes, and reads what the other side has sent before it knew that it is refused. Where a connection is
/// closed with something unread, TCP takes back what was written, and here that is why it is refused.
async fn drain(mut io: Io) {
    if io.shutdown().await.is_ok() {
        let rest = &mut io.take(MAX_LINGER_BYTES);
        tokio::io::copy(rest, &mut tokio::io::sink()).await.ok();
    }
}
