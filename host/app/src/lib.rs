//! The model of a Spin application: a `spin.toml` in, its components and routes out.
//!
//! The crate reads a manifest of version 1 or 2 and checks all of it before anything starts. It answers what the rest of the
//! host asks about the application: which component a path belongs to, which hosts a component may call, the values of its
//! variables, the files that it sees, how it is built. Every error names the manifest's line and says what to write instead.
//!
//! It fetches nothing (`spindrift-registry` does), compiles no WebAssembly (`spindrift-runtime` does) and serves nothing
//! (`spindrift-gateway` does).
//!
//! | file | subject |
//! | --- | --- |
//! | `application` | [`Application`] and its parts, as the manifest has them; [`load()`] |
//! | `origin` | [`Origin`]: where an application comes from, as its errors name it |
//! | `manifest/` | from the TOML text to an [`Application`], with a line for every error |
//! | `remote_file`, `digest` | [`RemoteFile`]: a file that a manifest names by URL and digest |
//! | `componentize` | [`componentize()`]: a component from a core module |
//! | `route` | one route: its text, its segments, its place among the others |
//! | `router` | [`Router`]: a path in, the route that takes it out |
//! | `template` | `{{ variable }}` templates |
//! | `variables` | the values of variables, and where they come from |
//! | `allowed_hosts` | what `allowed_outbound_hosts` permits |
//! | `files` | `files` and `exclude_files`: what a component sees of the disk |
//! | `build` | [`build()`]: runs the build commands |
//! | `error` | [`AppError`] |

#![warn(unreachable_pub)]

mod allowed_hosts;
mod application;
mod build;
mod componentize;
mod digest;
mod error;
mod files;
pub mod manifest;
mod origin;
mod remote_file;
mod route;
mod router;
mod template;
mod variables;

pub use allowed_hosts::{AllowedHost, AllowedHosts, internal_component};
pub use application::{Application, Build, Component, Content, Trigger, Variable, load};
pub use build::build;
pub use componentize::{NotComponentized, WASM_MAGIC, componentize};
pub use digest::{Digest, Hasher};
pub use error::AppError;
pub use files::{FileMount, Files, StagedFile};
pub use origin::Origin;
pub use remote_file::RemoteFile;
pub use route::{Route, RouteHeaders, StaticResponse, Target};
pub use router::{Capture, RESERVED, RouteMatch, Router};
pub use template::Template;
pub use variables::{ResolvedVariables, VariableValues};
