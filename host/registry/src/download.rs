//! [`download()`]: the WebAssembly that components name by URL, into the folder of blobs.
//!
//! A file is known by its digest, so one that is in the folder is not downloaded again, wherever it came from.

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use spindrift_app::{Application, Origin, RemoteFile, WASM_MAGIC};

use super::blobs::{Blobs, InUse};
use super::cause::Cause;
use super::client::block_on;
use super::{PullOptions, RegistryError, http_client, limits};

/// Files that are downloaded at once.
const PARALLEL: usize = 4;
/// How often it is said how far a download is.
const EVERY: Duration = Duration::from_secs(3);

/// Downloads the files that components of the application name by URL, unless they are in the cache, and has the components'
/// [`source`](spindrift_app::Component::source) name what has come. It must not be called where tasks run, since it waits for
/// some of its own.
///
/// # Errors
///
/// [`RegistryError::Application`] with the manifest's line of the first file that cannot be downloaded, has another digest,
/// or is no WebAssembly; another error if there is nowhere to keep it.
pub fn download(application: &mut Application, options: &PullOptions) -> Result<(), RegistryError> {
    if !application.has_downloads() {
        return Ok(());
    }
    let blobs = Blobs::open(options.cache_dir.as_deref())?;
    let missing = missing(application, &blobs);
    if let Some(first) = missing.first()
        && options.offline
    {
        return Err(first.error(match options.cache_dir {
            Some(_) => "is not in the cache, and --offline keeps it from being downloaded. Start once without --offline, \
                        with the same --cache-dir",
            None => "cannot be had with --offline, since nothing is kept: there is no folder for a cache, or --disable-cache is \
                     set",
        }));
    }
    if !missing.is_empty() {
        // A file may be on a server without TLS: its digest says whether it is the right one.
        let downloads = Downloads {
            client: http_client::with_redirects(true, Policy::default())?,
            blobs: &blobs,
            bytes: Cell::new(0),
        };
        block_on(downloads.all(&missing))??;
    }
    for component in &mut application.components {
        if let Some(file) = &component.remote {
            let path = blobs.root().join(Blobs::relative_path(file.digest()));
            if !is_wasm(&path) {
                let named = Named {
                    file,
                    origin: &application.origin,
                    component: &component.id,
                    line: component.source_line,
                };
                return Err(named.error(
                    "has the digest that the manifest says, and is no WebAssembly. If it is an archive, unpack it, and name \
                     the path of the file in it as `source`",
                ));
            }
            component.source = path;
        }
    }
    application.set_content(Arc::new(InUse::from(blobs)));
    Ok(())
}

/// Whether a file begins as WebAssembly does. One that is gone is for the next step to find.
fn is_wasm(path: &Path) -> bool {
    let mut begin = [0; WASM_MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    match read {
        Ok(()) => begin == *WASM_MAGIC,
        Err(error) => error.kind() != ErrorKind::UnexpectedEof,
    }
}

/// A file, and where it is named.
struct Named<'a> {
    file: &'a RemoteFile,
    origin: &'a Origin,
    /// The first component that names it, and the line where it does.
    component: &'a str,
    line: usize,
}

/// Each of the files once that is not in the folder, in the application's order.
fn missing<'a>(application: &'a Application, blobs: &Blobs) -> Vec<Named<'a>> {
    let mut checked = Vec::new();
    let mut missing = Vec::new();
    for component in &application.components {
        let Some(file) = &component.remote else {
            continue;
        };
        if checked.contains(&file.digest()) {
            continue;
        }
        checked.push(file.digest());
        if !blobs.has(file.digest()) {
            missing.push(Named {
                file,
                origin: &application.origin,
                component: &component.id,
                line: component.source_line,
            });
        }
    }
    missing
}

impl Named<'_> {
    /// An error about it. `fault` is the end of a sentence whose subject is the URL.
    fn error(&self, fault: impl AsRef<str>) -> RegistryError {
        let (component, file, fault) = (self.component, self.file, fault.as_ref());
        let message = format!("component `{component}`: {file} {fault}");
        self.origin.error(self.line, message).into()
    }

    /// A failure of the client's, before there was an answer or while it came.
    fn failed(&self, error: &reqwest::Error) -> RegistryError {
        let by_way_of = error
            .url()
            .map_or_else(String::new, |url| self.by_way_of(url));
        if error.is_redirect() {
            return self.error("redirects too often. Check the `url`");
        }
        if error.is_timeout() {
            let what = if error.is_connect() {
                format!(
                    "cannot be reached{by_way_of}: no connection within {:?}",
                    http_client::CONNECT_TIMEOUT
                )
            } else {
                format!(
                    "sends nothing{by_way_of}: not a byte for {:?}",
                    http_client::READ_TIMEOUT
                )
            };
            return self.error(format!("{what}. Try again later"));
        }
        self.error(match Cause::of(error) {
            Cause::NoTls => format!("cannot be downloaded{by_way_of}: the server does not speak TLS. Write http:// if that is meant"),
            Cause::NoHttp(reason) => format!(
                "cannot be downloaded{by_way_of}: the server does not speak HTTP, or only with TLS ({reason}). Check the `url`"
            ),
            Cause::Certificate(reason) => format!(
                "cannot be downloaded{by_way_of}: the server's certificate is not trusted ({reason}). For an authority of your \
                 own, name the file with its certificate (PEM) in SSL_CERT_FILE"
            ),
            Cause::UnknownHost(reason) => format!(
                "cannot be downloaded{by_way_of}: there is no host of that name, or no network ({reason}). Check the `url`"
            ),
            Cause::NothingListens(reason) => {
                format!("cannot be downloaded{by_way_of}: nothing listens there ({reason}). Check the `url`")
            }
            Cause::Other(reason) => format!("cannot be downloaded{by_way_of}: {reason}. Try again later"),
        })
    }

    /// An answer that is no success.
    fn refused(&self, response: &Response) -> RegistryError {
        let (status, by_way_of) = (response.status(), self.by_way_of(response.url()));
        let code = status.as_u16();
        self.error(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => format!(
                "is not there{by_way_of}: the server answered {code}. Check the `url`; if one must log in to have the file, \
                 download it, and name its path as `source`"
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "is not given to just anyone{by_way_of}: the server answered {code}. Download the file, and name its path as \
                 `source`"
            ),
            StatusCode::TOO_MANY_REQUESTS => {
                format!("is not given now{by_way_of}: the server answered {code}. Try again later")
            }
            _ if status.is_server_error() => {
                format!("is not given now{by_way_of}: the server answered {code}. Try again later")
            }
            _ => format!("is not given{by_way_of}: the server answered {code}. Check the `url`"),
        })
    }

    /// Where a redirect has led to, if to another host. The rest of its URL may be a secret of that server's.
    fn by_way_of(&self, url: &Url) -> String {
        match url.host_str() {
            Some(host) if self.file.url().host_str() != Some(host) => {
                format!(" (it redirects to {host})")
            }
            _ => String::new(),
        }
    }

    fn too_large(&self, size: &str) -> RegistryError {
        self.error(format!(
            "is too large: it has {size} bytes, and at most {} are taken. Check the `url`",
            limits::LAYER
        ))
    }
}

/// What downloads share.
struct Downloads<'a> {
    client: reqwest::Client,
    blobs: &'a Blobs,
    /// What has come of all files.
    bytes: Cell<u64>,
}

/// How far a download is.
struct Progress {
    began: Instant,
    bytes: Cell<u64>,
    size: Cell<Option<u64>>,
}

impl Downloads<'_> {
    async fn all(&self, missing: &[Named<'_>]) -> Result<(), RegistryError> {
        stream::iter(missing)
            .map(|one| self.logged(one))
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    /// Downloads a file, and says every few seconds how far it is, and once it is there.
    async fn logged(&self, missing: &Named<'_>) -> Result<(), RegistryError> {
        let (component, file) = (missing.component, missing.file);
        let progress = Progress {
            began: Instant::now(),
            bytes: Cell::new(0),
            size: Cell::new(None),
        };
        let saying = async {
            loop {
                tokio::time::sleep(EVERY).await;
                tracing::info!(
                    "component `{component}` is being downloaded, for {} s so far: {} of {file}",
                    progress.began.elapsed().as_secs(),
                    progress.so_far()
                );
            }
        };
        tokio::select! {
            result = self.one(missing, &progress) => result?,
            never = saying => never,
        }
        tracing::info!(
            "component `{component}` is downloaded: {} bytes of {file}, in {} ms",
            progress.bytes.get(),
            progress.began.elapsed().as_millis()
        );
        Ok(())
    }

    async fn one(&self, missing: &Named<'_>, progress: &Progress) -> Result<(), RegistryError> {
        let failed = |error: reqwest::Error| missing.failed(&error);
        let request = self.client.get(missing.file.url().clone());
        let response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(missing.refused(&response));
        }
        let size = response.content_length();
        progress.size.set(size);
        if let Some(size) = size
            && size > limits::LAYER
        {
            return Err(missing.too_large(&size.to_string()));
        }
        let mut writer = self.blobs.writer()?;
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(failed)?;
            let length = piece.len() as u64;
            progress.bytes.set(progress.bytes.get() + length);
            self.bytes.set(self.bytes.get() + length);
            if progress.bytes.get() > limits::LAYER {
                return Err(missing.too_large("more"));
            }
            if self.bytes.get() > limits::APPLICATION {
                return Err(missing.error(format!(
                    "is one file too many: the application's files have more than {} bytes together, which is all that is \
                     taken",
                    limits::APPLICATION
                )));
            }
            writer.write(&piece)?;
        }
        let expected = missing.file.digest();
        match writer.keep(expected)? {
            None => Ok(()),
            Some(actual) => Err(missing.error(format!(
                "has the digest {actual}, and the manifest says {expected}. Nothing of it is used; if this is the file that is \
                 meant, write its digest into the manifest, and else check the `url`"
            ))),
        }
    }
}

impl Progress {
    /// The bytes that are there, of all if that is known.
    fn so_far(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let bytes = mib(self.bytes.get());
        match self.size.get() {
            Some(size) => format!("{bytes:.1} of {:.1} MiB", mib(size)),
            None => format!("{bytes:.1} MiB"),
        }
    }
}
