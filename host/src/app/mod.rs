//! An application: a `spin.toml` or a reference to a registry in, its components and routes out.
//!
//! This module reads the manifest (version 1 or 2), or the locked application that Spin makes of one, checks all of it before
//! anything starts, and answers what the rest of the host asks about it: which component takes a path, what a component may reach, the values of its variables, the files it
//! sees, how it is built. It compiles no WebAssembly and serves nothing; that is left to `runtime` and `gateway`.
//!
//! | file | subject |
//! | --- | --- |
//! | `application` | [`Application`], [`Component`] and [`load`] |
//! | `origin` | [`Origin`]: where an application comes from, as its errors name it |
//! | `manifest/` | from the TOML text to an [`Application`], with a line for every error |
//! | `registry/` | applications in OCI registries: pulling and pushing what `spin registry push` makes; downloads |
//! | `route` | one route: its text, its segments, its place among the others |
//! | `router` | [`Router`]: a path in, the route that takes it out |
//! | `template` | `{{ variable }}` templates |
//! | `variables` | declared variables and where their values come from |
//! | `allowed_hosts` | what `allowed_outbound_hosts` permits |
//! | `files` | `files` and `exclude_files`: what a component sees of the disk |
//! | `build` | running the build commands |
//! | `error` | [`AppError`] |

mod allowed_hosts;
mod application;
mod build;
mod componentize;
mod error;
mod files;
mod manifest;
mod origin;
pub mod registry;
mod route;
mod router;
mod template;
mod variables;

pub use allowed_hosts::{AllowedHost, AllowedHosts, internal_component};
pub use application::{Application, Component, LoadOptions, Source, Trigger, load};
pub use build::{Build, build};
pub(crate) use componentize::WASM_MAGIC;
pub use componentize::{NotComponentized, componentize};
pub use error::AppError;
pub use files::{FileMount, Files, StagedFile};
pub use origin::Origin;
pub use registry::RegistryError;
pub use route::{Route, RouteHeaders, StaticResponse, Target};
pub use router::{Capture, RESERVED, RouteMatch, Router};
pub use template::Template;
pub use variables::{ResolvedVariables, Variable, VariableValues};
