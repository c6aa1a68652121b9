//! [`pull()`]: from a reference to an application.
//!
//! Manifest, locked application and contents are each taken from the folder of blobs if they are there, so an application
//! named by its digest starts without its registry once it has been pulled. A tag is asked for at every start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use oci_client::RegistryOperation;
use spindrift_app::{Application, Digest, Origin, manifest};
use tokio::sync::OnceCell;

use super::archive::{self, Allowance, Fault};
use super::artifact::{Artifact, Blob};
use super::blobs::{Blobs, InUse};
use super::client::{Client, block_on};
use super::locked::LockedApplication;
use super::unlock::{Content, unlock};
use super::{Reference, RegistryError, limits};

/// Blobs that are fetched at once.
const PARALLEL: usize = 4;

/// How registries are pulled from.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// Speak HTTP without TLS.
    pub insecure: bool,
    /// Where what is pulled or downloaded is kept between starts; nowhere without one.
    pub cache_dir: Option<PathBuf>,
    /// Ask no registry and no other server: what is not in the cache is an error.
    pub offline: bool,
}

/// Pulls an application, and keeps only these `components` of it, or all if `components` is empty. It must not be called
/// where tasks run, since it waits for some of its own.
///
/// # Errors
///
/// The registry does not give the application, or gives another than its digests say; or [`RegistryError::Application`]
/// with [`AppError::Locked`] for anything that is wrong or not supported in it, or [`AppError::Components`] for an unknown
/// id in `components`.
///
/// [`AppError::Locked`]: spindrift_app::AppError::Locked
/// [`AppError::Components`]: spindrift_app::AppError::Components
pub(crate) fn pull(
    reference: &Reference,
    components: &[String],
    options: &PullOptions,
) -> Result<Application, RegistryError> {
    let blobs = Blobs::open(options.cache_dir.as_deref())?;
    let mut pull = Pull {
        reference: reference.clone(),
        insecure: options.insecure,
        offline: options.offline,
        blobs,
        client: OnceCell::new(),
        fetched: 0,
    };
    let mut application = block_on(pull.application(components))??;
    application.set_content(Arc::new(InUse::from(pull.blobs)));
    Ok(application)
}

struct Pull {
    reference: Reference,
    insecure: bool,
    offline: bool,
    blobs: Blobs,
    /// Connected when something is missing.
    client: OnceCell<Client>,
    /// Bytes that the registry has sent.
    fetched: u64,
}

impl Pull {
    async fn application(&mut self, components: &[String]) -> Result<Application, RegistryError> {
        let started = Instant::now();
        let manifest = self.manifest().await?;
        let artifact = Artifact::read(&self.reference, &manifest)?;
        let locked = self.locked(&artifact.application).await?;
        let unlocked = LockedApplication::read(&locked)
            .and_then(unlock)
            .map_err(|fault| RegistryError::Locked {
                reference: self.reference.to_string(),
                fault,
            })?;
        let origin = Origin::Registry(self.reference.to_string());
        // All of it is judged before its contents are fetched, and only those of components that are kept.
        let application =
            manifest::read(&origin, self.blobs.root(), &unlocked.manifest, components)?;
        let mut contents = BTreeMap::new();
        for component in &application.components {
            for content in unlocked.contents.get(&component.id).into_iter().flatten() {
                contents.entry(&content.digest).or_insert(content);
            }
        }
        self.contents(contents.into_values(), &artifact).await?;
        tracing::info!(
            "{} has {} components; {} bytes of it were fetched, in {} ms",
            self.reference,
            application.components.len(),
            self.fetched,
            started.elapsed().as_millis()
        );
        Ok(application)
    }

    /// The manifest. From then on the reference has its digest, so that all else is of the same application.
    async fn manifest(&mut self) -> Result<Bytes, RegistryError> {
        if let Some(digest) = self.reference.digest()
            && let Some(bytes) = self.blobs.read(digest, limits::MANIFEST)
        {
            return Ok(bytes.into());
        }
        let (bytes, digest) = self.client().await?.manifest().await?;
        self.blobs.put(&digest, &bytes)?;
        self.fetched += bytes.len() as u64;
        self.reference = self.reference.with_digest(&digest);
        Ok(bytes)
    }

    async fn locked(&mut self, blob: &Blob) -> Result<Vec<u8>, RegistryError> {
        let what = "the locked application";
        if let Some(bytes) = self.blobs.read(&blob.digest, limits::LOCKED_APPLICATION) {
            return Ok(bytes);
        }
        self.fetch(vec![(blob, what.to_owned())]).await?;
        let bytes = self.blobs.read(&blob.digest, limits::LOCKED_APPLICATION);
        bytes.ok_or_else(|| self.missing(what, &blob.digest))
    }

    /// Sees to it that all of these contents are in the folder of blobs.
    async fn contents<'a>(
        &mut self,
        contents: impl Iterator<Item = &'a Content>,
        artifact: &Artifact,
    ) -> Result<(), RegistryError> {
        let mut layers = Vec::new();
        let mut archived = BTreeMap::new();
        for content in contents {
            if self.blobs.has(&content.digest) {
                continue;
            }
            if let Some(bytes) = &content.inline {
                self.inline(content, bytes)?;
            } else if let Some(blob) = artifact.contents.get(&content.digest) {
                layers.push((blob, content.what.clone()));
            } else {
                archived.insert(content.digest.clone(), content.what.as_str());
            }
        }
        self.fetch(layers).await?;
        if archived.is_empty() {
            return Ok(());
        }
        self.unpack(&artifact.archives, archived.keys().cloned().collect())
            .await?;
        match archived.iter().find(|(digest, _)| !self.blobs.has(digest)) {
            None => Ok(()),
            Some((digest, what)) => Err(self.missing(what, digest)),
        }
    }

    fn inline(&self, content: &Content, bytes: &[u8]) -> Result<(), RegistryError> {
        match self.blobs.put(&content.digest, bytes)? {
            None => Ok(()),
            Some(actual) => Err(RegistryError::Digest {
                reference: self.reference.to_string(),
                what: content.what.clone(),
                expected: content.digest.clone(),
                actual,
            }),
        }
    }

    /// Unpacks the archives for files with these digests.
    async fn unpack(
        &mut self,
        archives: &[Blob],
        wanted: BTreeSet<Digest>,
    ) -> Result<(), RegistryError> {
        let what = "an archive of files";
        let needed = archives.iter().filter(|blob| !self.blobs.has(&blob.digest));
        let needed: Vec<_> = needed.map(|blob| (blob, what.to_owned())).collect();
        self.fetch(needed).await?;
        let mut allowance = Allowance::default();
        for blob in archives {
            let path = self.blobs.root().join(Blobs::relative_path(&blob.digest));
            let file = File::open(&path).map_err(|reason| RegistryError::Io { path, reason })?;
            archive::unpack(file, &wanted, &mut allowance, &self.blobs).map_err(
                |fault| match fault {
                    Fault::Blobs(error) => error,
                    Fault::Archive(fault) => RegistryError::Archive {
                        reference: self.reference.to_string(),
                        what: format!("{what} ({})", blob.digest),
                        fault,
                    },
                },
            )?;
        }
        Ok(())
    }

    /// Fetches blobs, each with what it is in words.
    async fn fetch(&mut self, needed: Vec<(&Blob, String)>) -> Result<(), RegistryError> {
        if needed.is_empty() {
            return Ok(());
        }
        let bytes = needed.iter().map(|(blob, _)| blob.size).sum::<u64>();
        self.fetched += bytes;
        if self.fetched > limits::APPLICATION {
            return Err(RegistryError::TooLarge {
                reference: self.reference.to_string(),
                what: "the application".to_owned(),
                size: format!("its layers have {} bytes", self.fetched),
                limit: format!("{} bytes", limits::APPLICATION),
            });
        }
        let client = self.client().await?;
        stream::iter(needed)
            .map(async |(blob, what)| client.blob(blob, &what, self.blobs.writer()?).await)
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    async fn client(&self) -> Result<&Client, RegistryError> {
        if self.offline {
            let (what, hint) = match self.reference.digest() {
                Some(_) => (
                    "not all of it is in the cache",
                    "Start once without --offline, with the same --cache-dir",
                ),
                None => (
                    "only the registry knows which application the tag stands for now",
                    "Name the application by its digest, as `spindrift push` prints it",
                ),
            };
            return Err(RegistryError::Offline {
                reference: self.reference.to_string(),
                what,
                hint,
            });
        }
        let connect = || Client::connect(&self.reference, RegistryOperation::Pull, self.insecure);
        self.client.get_or_try_init(connect).await
    }

    fn missing(&self, what: &str, digest: &Digest) -> RegistryError {
        RegistryError::Missing {
            reference: self.reference.to_string(),
            what: what.to_owned(),
            digest: digest.clone(),
        }
    }
}
