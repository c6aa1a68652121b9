//! What the components `put`, `get`, `delete` and `docs` share.
//!
//! - [`limits`]: the sizes that the API accepts
//! - [`types`]: the bodies of requests and answers, as Rust types
//! - [`body`] and [`path`]: from a request body or path to checked values
//! - [`json`]: a JSON scanner that knows where a fault is; [`python`] writes
//!   JSON as the API's original does
//! - [`reply`]: every answer the API gives, as bytes
//! - `openapi` (feature): the OpenAPI document, made from [`types`]
//! - `http` (WebAssembly only): replies and request bodies over `wasi:http`
//! - `store` (WebAssembly only): answers for the store's errors
//!
//! Everything but the last two is plain Rust and is tested natively.

pub mod body;
pub mod json;
pub mod limits;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod path;
pub mod python;
pub mod reply;
pub mod types;

#[cfg(target_family = "wasm")]
pub mod http;
#[cfg(all(target_family = "wasm", feature = "key-value"))]
pub mod store;
