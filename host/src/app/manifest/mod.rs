//! From the TOML text to an [`Application`](super::Application), with a line for every error.
//!
//! `reader` knows TOML, lines and what has been read; the other files know one table of the manifest each. A key that
//! nobody asks for is an error, so nothing in a manifest is ignored by accident.

mod application;
mod component;
mod names;
mod reader;
mod source;
mod static_response;
mod trigger;
mod variables;

#[cfg(test)]
mod tests;

pub(super) use application::read;
