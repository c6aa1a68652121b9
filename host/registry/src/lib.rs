//! Pulls and pushes applications in OCI registries, in the format of `spin registry push`, and downloads the files that a
//! manifest names by URL.
//!
//! In a registry an application is an image manifest that lists blobs by digest: the locked application, which is Spin's
//! JSON form of a `spin.toml`, and layers with the components' WebAssembly and files. The format is Spin's (`spin-oci` and
//! `spin-locked-app` of Spin 4). The protocol is the OCI distribution specification, spoken by `oci-client`. Downloaded files
//! are kept in the same cache.
//!
//! The crate trusts nothing that a registry sends. It hashes every blob, bounds the size of everything, and writes to no path
//! that a registry names.
//!
//! It leaves the meaning of an application to `spindrift-app`. It turns a locked application back into the manifest that it
//! was made from, and the reader of manifests checks that.
//!
//! | file | subject |
//! | --- | --- |
//! | `pull` | from a reference to an application |
//! | `push` | [`push()`]: from an application to a reference with a digest |
//! | `download` | [`download()`]: the WebAssembly that components name by URL |
//! | `source` | [`Source`]: a manifest or a reference, and [`load()`] |
//! | `reference` | [`Reference`]: the name of an application in a registry |
//! | `artifact` | the image manifest: the kind of each blob, and artifacts that are no application |
//! | `locked` | the locked application as JSON |
//! | `unlock` | from a locked application to a manifest, and the contents that it names |
//! | `lock` | from an application to a locked application and its layers |
//! | `archive` | files in a compressed archive, where there are too many for a layer each |
//! | `blobs` | blobs on disk, by digest |
//! | `client` | one registry: its manifests and blobs |
//! | `http_client` | HTTP, for what `oci-client` does not do |
//! | `credentials` | the Docker configuration file |
//! | `challenge` | how a registry asks for credentials |
//! | `token_service` | tokens for credentials |
//! | `authorization` | the header that a registry accepts, kept valid |
//! | `limits` | upper bounds |
//! | `media_type` | media types |
//! | `failure` | what a failed request means |
//! | `cause` | what is behind a failure of the HTTP client's |
//! | `error` | [`RegistryError`] |

#![warn(unreachable_pub)]

mod archive;
mod artifact;
mod authorization;
mod blobs;
mod cause;
mod challenge;
mod client;
mod credentials;
mod download;
mod error;
mod failure;
mod http_client;
mod limits;
mod lock;
mod locked;
mod media_type;
mod pull;
mod push;
mod reference;
mod source;
mod token_service;
mod unlock;

pub use blobs::InUse;
pub use download::download;
pub use error::RegistryError;
pub use pull::PullOptions;
pub use push::{PushOptions, push};
pub use reference::Reference;
pub use source::{Source, load};
