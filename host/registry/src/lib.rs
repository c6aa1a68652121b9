//! Applications in OCI registries: what `spin registry push` makes, pulled and made here too; and files that a manifest names
//! by URL, since they are kept in the same place.
//!
//! In a registry an application is an image manifest that lists blobs by digest: the locked application, which is Spin's
//! JSON form of a `spin.toml`, and layers with the components' WebAssembly and files. The format is Spin's (`spin-oci` and
//! `spin-locked-app` of Spin 4); the protocol is the OCI distribution specification, spoken by `oci-client`.
//!
//! Nothing that a registry sends is trusted: every blob is hashed here, everything has an upper bound, and no path that
//! comes from there is ever written to. A locked application is turned back into the manifest it was made from, and the
//! reader of manifests judges it.
//!
//! | file | subject |
//! | --- | --- |
//! | `pull` | [`pull()`]: from a reference to an application |
//! | `push` | [`push()`]: from an application to a reference with a digest |
//! | `download` | [`download()`]: the WebAssembly that components name by URL |
//! | `source` | [`Source`]: a manifest or a reference, and [`load()`] |
//! | `reference` | [`Reference`]: the name of an application in a registry |
//! | `artifact` | the image manifest: which blob is what, and what is no application |
//! | `locked` | the locked application as JSON |
//! | `unlock` | from a locked application to a manifest, and the contents that it names |
//! | `lock` | from an application to a locked application and its layers |
//! | `archive` | files in a compressed archive, where there are too many for a layer each |
//! | `blobs` | blobs on disk, by digest |
//! | `client` | one registry: its manifests and blobs |
//! | `http_client` | HTTP, for what `oci-client` does not do |
//! | `credentials` | the Docker configuration file |
//! | `challenge` | how a registry wants to know who asks |
//! | `token_service` | tokens for credentials |
//! | `authorization` | what a registry lets in with, kept valid |
//! | `digest` | SHA-256 digests |
//! | `limits` | upper bounds |
//! | `media_type` | media types |
//! | `failure` | what a failed request means |
//! | `cause` | what is behind a failure of the HTTP client's |
//! | `error` | [`RegistryError`] |

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
pub use pull::{PullOptions, pull};
pub use push::{PushOptions, push};
pub use reference::Reference;
pub use source::{Source, load};
