//! The HTTP client for downloads, and for what `oci-client` does not do: it has time-outs, and reads no more than it is told to.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::crypto::ring;

use super::RegistryError;
use super::cause::causes;

/// How long connecting may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may send nothing.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Who asks.
pub(crate) const USER_AGENT: &str = concat!("spindrift/", env!("CARGO_PKG_VERSION"));

/// A client that follows redirects as `redirects` says. Only an `insecure` one speaks HTTP without TLS, and a redirect
/// changes nothing of that.
///
/// # Errors
///
/// [`RegistryError::NoAuthorities`]: there are no certificates to trust.
pub(crate) fn with_redirects(insecure: bool, redirects: Policy) -> Result<Client, RegistryError> {
    // There is one already if this process speaks TLS elsewhere, which is as good.
    let _ = ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(USER_AGENT)
        .redirect(redirects)
        .https_only(!insecure)
        .build()
        .map_err(|error| RegistryError::NoAuthorities {
            reason: causes(&error)
                .last()
                .map_or_else(String::new, ToString::to_string),
        })
}

/// The body of an answer, or its first `limit` bytes, and whether that is all of it.
pub(crate) async fn read(response: Response, limit: u64) -> reqwest::Result<(Bytes, bool)> {
    let mut body = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        let room = limit.saturating_sub(body.len() as u64);
        if piece.len() as u64 > room {
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            body.extend_from_slice(&piece[..room]);
            return Ok((body.freeze(), false));
        }
        body.extend_from_slice(&piece);
    }
    Ok((body.freeze(), true))
}
