//! [`componentize`]: from a core module to a component, as Spin makes one of it.
//!
//! A compiler makes a core module for `wasm32-wasip1`, and the host runs components. Today's SDKs write into custom sections of
//! the module, `component-type…` of `wit-bindgen`, what its component imports and exports. `wit-component` wraps the module
//! accordingly, and Wasmtime's adapter gives it WASI 0.1 by means of WASI 0.2. Spin's crate `spin-componentize` does the same. It
//! also has adapters for the modules of Spin 1, whose interfaces the host does not have.

use std::borrow::Cow;

use thiserror::Error;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{BinaryReaderError, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

/// How every file of WebAssembly begins.
pub const WASM_MAGIC: &[u8; 4] = b"\0asm";

/// How the names of the sections begin that say what a component made of the module imports and exports.
const COMPONENT_TYPE: &str = "component-type";

/// What a module of Spin 1 exports for its trigger.
const SPIN_1: [&str; 2] = ["handle-http-request", "handle-redis-message"];

/// What a program exports that runs once, from its beginning to its end.
const COMMAND: &str = "_start";

/// Why no component for an HTTP trigger can be made of a core module. The text is a clause whose subject is the module.
#[derive(Debug, Error)]
pub enum NotComponentized {
    /// It is for Spin 1.
    #[error(
        "is a module for Spin 1 (it exports `{0}`), which this host does not run; build it with a newer SDK, whose handler is \
         one of wasi:http"
    )]
    Spin1(&'static str),
    /// It is a program.
    #[error(
        "is a command (it exports `_start`, and no HTTP handler), and this host does not run such with WAGI; build it as a \
         library, with an SDK for HTTP components"
    )]
    Command,
    /// It does not say what it is.
    #[error(
        "is a core module that says nothing of an HTTP handler (it has no section `component-type`); build it with an SDK for \
         HTTP components, such as spin-sdk, for wasm32-wasip1 or wasm32-wasip2"
    )]
    NoComponentType,
    /// It is not valid.
    #[error("is a core module that is damaged, or has what is not supported: {0}")]
    Invalid(BinaryReaderError),
    /// It is not what it says, or an old `wit-bindgen` has said it.
    #[error(
        "is a core module of which no component can be made: {0}; build it with a newer SDK, for wasm32-wasip1 or \
         wasm32-wasip2"
    )]
    Unfit(String),
}

/// Makes a component of a core module, and gives back all other bytes as they are.
///
/// # Errors
///
/// Says why the module cannot become a component for an HTTP trigger.
pub fn componentize(wasm: &[u8]) -> Result<Cow<'_, [u8]>, NotComponentized> {
    if !Parser::is_core_wasm(wasm) {
        return Ok(Cow::Borrowed(wasm));
    }
    Validator::new()
        .validate_all(wasm)
        .map_err(NotComponentized::Invalid)?;
    Traits::of(wasm)
        .map_err(NotComponentized::Invalid)?
        .check()?;
    let encoder = ComponentEncoder::default().module(wasm);
    let encoder = encoder.and_then(|encoder| {
        encoder.adapter(
            WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )
    });
    let component = encoder.and_then(|mut encoder| encoder.encode());
    component
        .map(Cow::Owned)
        .map_err(|error| NotComponentized::Unfit(format!("{error:#}")))
}

/// What tells the kinds of modules from each other.
#[derive(Default)]
struct Traits {
    has_component_type: bool,
    spin_1: Option<&'static str>,
    is_command: bool,
}

impl Traits {
    fn of(module: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut traits = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::CustomSection(section) => {
                    traits.has_component_type |= section.name().starts_with(COMPONENT_TYPE);
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let name = export?.name;
                        traits.is_command |= name == COMMAND;
                        let old = SPIN_1.into_iter().find(|old| *old == name);
                        traits.spin_1 = traits.spin_1.or(old);
                    }
                }
                _ => {}
            }
        }
        Ok(traits)
    }

    /// A module with a component type may have the exports of the others, too: it says itself what they are for.
    fn check(&self) -> Result<(), NotComponentized> {
        match (self.has_component_type, self.spin_1, self.is_command) {
            (true, ..) => Ok(()),
            (false, Some(export), _) => Err(NotComponentized::Spin1(export)),
            (false, None, true) => Err(NotComponentized::Command),
            (false, None, false) => Err(NotComponentized::NoComponentType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section of less than 128 bytes.
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a short section");
        [&[id, length][..], content].concat()
    }

    fn name(name: &str) -> Vec<u8> {
        let length = u8::try_from(name.len()).expect("a short name");
        [&[length][..], name.as_bytes()].concat()
    }

    /// A module with one function that does nothing, exported by that name, and a custom section.
    fn module(export: &str, custom: &str) -> Vec<u8> {
        let sections = [
            section(0, &name(custom)),
            section(1, &[1, 0x60, 0, 0]),
            section(3, &[1, 0]),
            section(7, &[&[1][..], &name(export), &[0, 0]].concat()),
            section(10, &[1, 2, 0, 0x0b]),
        ];
        [&b"\0asm\x01\0\0\0"[..], &sections.concat()].concat()
    }

    #[test]
    fn modules_that_cannot_be_run_are_refused_in_words() {
        for (wasm, part) in [
            (
                module("handle-http-request", ""),
                "for Spin 1 (it exports `handle-http-request`)",
            ),
            (
                module("handle-redis-message", ""),
                "for Spin 1 (it exports `handle-redis-message`)",
            ),
            (module("_start", "name"), "is a command"),
            (
                module("run", "producers"),
                "says nothing of an HTTP handler",
            ),
            (
                b"\0asm\x01\0\0\0".to_vec(),
                "says nothing of an HTTP handler",
            ),
            (
                module("_start", "component-type:odd"),
                "decoding custom section component-type:odd",
            ),
            (
                [module("run", ""), vec![7, 100]].concat(),
                "is damaged, or has what is not supported",
            ),
        ] {
            let error = componentize(&wasm).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_no_module_is_left_alone() {
        for bytes in [&b""[..], b"text", b"\0asm\x0d\0\x01\0", b"\0asm"] {
            let same = componentize(bytes).expect("nothing to do");
            assert!(matches!(same, Cow::Borrowed(found) if found == bytes));
        }
    }
}
