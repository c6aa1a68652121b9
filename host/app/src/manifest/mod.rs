//! From the TOML text to an [`Application`](super::Application), with a line for every error.
//!
//! A manifest has version 2, or version 1, which `version_1` takes for what it means in version 2.
//!
//! `reader` knows TOML, lines and what has been read; the other files know one table of the manifest each. A key that
//! nobody asks for is an error, so nothing in a manifest is ignored by accident.

mod application;
mod component;
mod hosts;
mod names;
mod reader;
mod source;
mod static_response;
mod trigger;
mod variables;
mod version;
mod version_1;

#[cfg(test)]
mod tests;

pub use application::read;
