//! [`Client`]: one registry, for one reference: its manifest and blobs, there and back.
//!
//! `oci-client` speaks the protocol. It would read a manifest of any size into memory, so that is fetched here.

use std::error::Error;

use bytes::Bytes;
use futures::StreamExt;
use http::HeaderValue;
use http::header::ACCEPT;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use oci_client::{RegistryOperation, manifest};
use reqwest::redirect::Policy;

use super::artifact::Blob;
use super::authorization::Authorization;
use super::blobs::Writer;
use super::cause::causes;
use super::challenge::Challenge;
use super::failure::Attempt;
use super::token_service::MAX_LIFETIME;
use super::{Reference, RegistryError, credentials, http_client, limits, media_type};
use spindrift_app::Digest;

/// Where a registry says the digest of what it sends.
const DIGEST_HEADER: &str = "docker-content-digest";

/// A registry that has let us in.
pub(crate) struct Client {
    oci: oci_client::Client,
    http: reqwest::Client,
    base: String,
    reference: Reference,
    authorization: Authorization,
    attempt: Attempt,
}

impl Client {
    /// Connects to the registry of `reference`, with the credentials that the Docker configuration has for it. `insecure`
    /// speaks HTTP without TLS.
    pub(crate) async fn connect(
        reference: &Reference,
        operation: RegistryOperation,
        insecure: bool,
    ) -> Result<Self, RegistryError> {
        let credentials = credentials::find(reference.registry())?;
        let attempt = Attempt::new(reference, operation, insecure, &credentials);
        // Before `oci-client` makes one of its own, which panics where this fails.
        let http = http_client::with_redirects(insecure, Policy::default())?;
        let (scheme, protocol) = match insecure {
            true => ("http", ClientProtocol::Http),
            false => ("https", ClientProtocol::Https),
        };
        let oci = oci_client::Client::try_from(ClientConfig {
            protocol,
            connect_timeout: Some(http_client::CONNECT_TIMEOUT),
            read_timeout: Some(http_client::READ_TIMEOUT),
            // Those that it is given are replaced in time.
            default_token_expiration_secs: MAX_LIFETIME.as_secs() as usize,
            user_agent: http_client::USER_AGENT,
            ..ClientConfig::default()
        })
        .map_err(|error| attempt.failed(&error))?;
        let base = format!("{scheme}://{}", reference.registry());
        let hello = http.get(format!("{base}/v2/")).send().await;
        let hello = hello.map_err(|error| attempt.request_failed(&error))?;
        let challenge = Challenge::read(hello.headers());
        let authorization = Authorization::obtain(challenge, credentials, &attempt, &oci).await?;
        Ok(Self {
            oci,
            http,
            base,
            reference: reference.clone(),
            authorization,
            attempt,
        })
    }

    /// The manifest, as it was pushed, and its digest, which must be that of the reference, if it has one, and the one that
    /// the registry itself says.
    pub(crate) async fn manifest(&self) -> Result<(Bytes, Digest), RegistryError> {
        let url = format!("{}{}", self.base, self.reference.manifest_path());
        let accept = media_type::MANIFESTS.join(", ");
        let request = self.http.get(url).header(ACCEPT, accept);
        let request = self.authorization.apply(request).await;
        let failed = |error: reqwest::Error| self.attempt.request_failed(&error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let told = response.headers().get(DIGEST_HEADER);
        let told = told.and_then(|value| Digest::parse(value.to_str().ok()?));
        let limit = if status.is_success() {
            limits::MANIFEST
        } else {
            limits::FAILURE
        };
        let body = http_client::read(response, limit).await;
        let (body, is_whole) = body.map_err(failed)?;
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(self.attempt.refused(status.as_u16(), &text));
        }
        if !is_whole {
            return Err(RegistryError::TooLarge {
                reference: self.reference.to_string(),
                what: "the manifest".to_owned(),
                size: "it has more".to_owned(),
                limit: format!("{limit} bytes"),
            });
        }
        let digest = Digest::of(&body);
        let mut expected = self.reference.digest().into_iter().chain(&told);
        match expected.find(|expected| **expected != digest) {
            None => Ok((body, digest)),
            Some(expected) => Err(RegistryError::Digest {
                reference: self.reference.to_string(),
                what: "the manifest".to_owned(),
                expected: expected.clone(),
                actual: digest,
            }),
        }
    }

    /// Fetches a blob, checks its size and digest, and keeps it. `what` says what it is, for an error.
    pub(crate) async fn blob(
        &self,
        blob: &Blob,
        what: &str,
        mut into: Writer,
    ) -> Result<(), RegistryError> {
        let differs = |actual: String| RegistryError::Size {
            reference: self.reference.to_string(),
            what: what.to_owned(),
            expected: blob.size,
            actual,
        };
        let stream = self
            .oci
            .pull_blob_stream(self.reference.inner(), blob.digest.as_str());
        let mut stream = match self.authorization.during(stream).await? {
            Ok(stream) => stream,
            Err(error) if is_not_found(&error) => {
                return Err(RegistryError::Missing {
                    reference: self.reference.to_string(),
                    what: what.to_owned(),
                    digest: blob.digest.clone(),
                });
            }
            Err(error) => return Err(self.attempt.failed(&error)),
        };
        if let Some(length) = stream.content_length
            && length != blob.size
        {
            return Err(differs(length.to_string()));
        }
        let mut taken = 0;
        while let Some(piece) = stream.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                // `oci-client` hashes too, and says so at the end. The digests are compared below.
                Err(error) if is_wrong_digest(&error) => break,
                Err(error) => return Err(self.attempt.request_failed(&error)),
            };
            taken += piece.len() as u64;
            if taken > blob.size {
                return Err(differs("more".to_owned()));
            }
            into.write(&piece)?;
        }
        if taken != blob.size {
            return Err(differs(taken.to_string()));
        }
        match into.keep(&blob.digest)? {
            None => Ok(()),
            Some(actual) => Err(RegistryError::Digest {
                reference: self.reference.to_string(),
                what: what.to_owned(),
                expected: blob.digest.clone(),
                actual,
            }),
        }
    }

    /// Puts a blob there, unless the registry has it.
    pub(crate) async fn push_blob(
        &self,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<(), RegistryError> {
        let reference = self.reference.inner();
        let pushing = async {
            // One that fails to say is asked to take it.
            if let Ok(true) = self.oci.blob_exists(reference, digest.as_str()).await {
                return Ok(());
            }
            let pushed = self.oci.push_blob(reference, bytes, digest.as_str()).await;
            pushed.map(drop)
        };
        let pushed = self.authorization.during(pushing).await?;
        pushed.map_err(|error| self.attempt.failed(&error))
    }

    /// Puts a manifest there, under the reference's tag.
    pub(crate) async fn push_manifest(&self, bytes: Bytes) -> Result<(), RegistryError> {
        let content_type = HeaderValue::from_static(manifest::OCI_IMAGE_MEDIA_TYPE);
        let pushed = self
            .oci
            .push_manifest_raw(self.reference.inner(), bytes, content_type);
        let pushed = self.authorization.during(pushed).await?;
        pushed
            .map(drop)
            .map_err(|error| self.attempt.failed(&error))
    }
}

/// Waits for what a registry is asked for, on this thread.
pub(crate) fn block_on<T>(task: impl Future<Output = T>) -> Result<T, RegistryError> {
    let thread = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RegistryError::Thread)?;
    Ok(thread.block_on(task))
}

fn is_not_found(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| {
                matches!(
                    error.code,
                    OciErrorCode::BlobUnknown
                        | OciErrorCode::ManifestBlobUnknown
                        | OciErrorCode::NotFound
                )
            })
        }
        _ => false,
    }
}

fn is_wrong_digest(error: &(dyn Error + 'static)) -> bool {
    causes(error).iter().any(|cause| {
        matches!(
            cause.downcast_ref::<DigestError>(),
            Some(DigestError::VerificationError { .. })
        )
    })
}
