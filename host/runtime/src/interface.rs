//! What a component imports and exports, checked before it is compiled: the code of a large component takes minutes to
//! compile, and neither depends on it.
//!
//! In the binary format nothing refers to what comes after it, so a component that ends early is a component, too. Up to its
//! last import one of today's toolchains has types alone. That much of it is compiled in no time, and Wasmtime's own linker
//! says whether the host has what it imports.

use wasmparser::{Chunk, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::host_state::HostState;
use super::{RuntimeError, engine, linker, unsupported_imports};

/// Both interfaces for requests are in this package.
const HTTP: &str = "wasi:http/";

/// What a handler exported for Spin 1, and for the first SDKs of Spin 2.
const OLD_HANDLER: &str = "fermyon:spin/inbound-http";

/// Checks what components import and export.
pub(crate) struct InterfaceCheck {
    engine: Engine,
    linker: Linker<HostState>,
}

impl InterfaceCheck {
    /// A check against everything that a guest can import.
    ///
    /// # Errors
    ///
    /// Wasmtime cannot be set up.
    pub(crate) fn new() -> Result<Self, RuntimeError> {
        let engine = engine::for_interfaces()?;
        let linker = linker::build(&engine).map_err(RuntimeError::Engine)?;
        Ok(Self { engine, linker })
    }

    /// Checks a component by its bytes. What is no component at all passes, and so does what only the linked component shows:
    /// compiling and linking it say that.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Link`] names an import that neither the host nor Spin offers; [`RuntimeError::NoHandler`],
    /// [`RuntimeError::OldHandler`].
    pub(crate) fn check(&self, component: &str, wasm: &[u8]) -> Result<(), RuntimeError> {
        let Some(interface) = Interface::of(wasm) else {
            return Ok(());
        };
        if let Ok(head) = Component::new(&self.engine, interface.head) {
            let linked = unsupported_imports::link(&self.linker, &head);
            linked.map_err(|reason| RuntimeError::Link {
                component: component.to_owned(),
                reason,
            })?;
        }
        let exports = |prefix| {
            interface
                .exports
                .iter()
                .any(|name| name.starts_with(prefix))
        };
        let component = || component.to_owned();
        if exports(HTTP) {
            Ok(())
        } else if exports(OLD_HANDLER) {
            Err(RuntimeError::OldHandler {
                component: component(),
            })
        } else {
            Err(RuntimeError::NoHandler {
                component: component(),
            })
        }
    }
}

/// What the binary of a component says of its imports and exports.
struct Interface<'a> {
    /// The component up to its last import, or up to the first section that has more than types.
    head: &'a [u8],
    /// The names of its exports.
    exports: Vec<&'a str>,
}

impl<'a> Interface<'a> {
    /// That of a component; of nothing else. The code in it is skipped unread.
    fn of(wasm: &'a [u8]) -> Option<Self> {
        if !Parser::is_component(wasm) {
            return None;
        }
        let mut parser = Parser::new(0);
        let (mut at, mut head, mut is_head) = (0, 0, true);
        let mut exports = Vec::new();
        loop {
            let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(wasm.get(at..)?, true)
            else {
                return None;
            };
            at += consumed;
            match payload {
                Payload::Version { .. } => head = at,
                Payload::ComponentImportSection(_) if is_head => head = at,
                Payload::ComponentTypeSection(_)
                | Payload::ComponentAliasSection(_)
                | Payload::CoreTypeSection(_)
                | Payload::CustomSection(_) => {}
                Payload::ModuleSection {
                    unchecked_range, ..
                }
                | Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    is_head = false;
                    at = unchecked_range.end;
                }
                Payload::ComponentExportSection(section) => {
                    is_head = false;
                    for export in section {
                        exports.push(export.ok()?.name.name);
                    }
                }
                Payload::End(_) => break,
                _ => is_head = false,
            }
        }
        Some(Self {
            head: wasm.get(..head)?,
            exports,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of a component.
    const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

    /// A section of less than 128 bytes.
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a short section");
        [&[id, length][..], content].concat()
    }

    /// A type of a function without parameters and results, an import of it by that name, and whatever comes between.
    fn importing(name: &str, between: &[u8]) -> Vec<u8> {
        let mut import = vec![1, 0, u8::try_from(name.len()).expect("a short name")];
        import.extend_from_slice(name.as_bytes());
        import.extend_from_slice(&[1, 0]);
        let ty = section(7, &[1, 0x40, 0, 1, 0]);
        [PREAMBLE, &ty, between, &section(10, &import)].concat()
    }

    /// An export of its type under that name.
    fn exporting(name: &str) -> Vec<u8> {
        let mut export = vec![1, 0, u8::try_from(name.len()).expect("a short name")];
        export.extend_from_slice(name.as_bytes());
        export.extend_from_slice(&[3, 0, 0]);
        let ty = section(7, &[1, 0x40, 0, 1, 0]);
        [PREAMBLE, &ty, &section(11, &export)].concat()
    }

    /// A component in a component, and a module in it, none of which can be parsed.
    fn unreadable() -> Vec<u8> {
        [section(1, b"code"), section(4, b"more")].concat()
    }

    #[test]
    fn the_head_ends_with_the_last_import_and_the_code_is_not_read() {
        let importing = importing("nowhere", &[]);
        let whole = [&importing[..], &unreadable()].concat();
        let interface = Interface::of(&whole).expect("a component");
        assert_eq!(interface.head, importing);
        assert_eq!(interface.exports, [""; 0]);
    }

    #[test]
    fn an_import_is_named_before_the_code_is_looked_at() {
        let check = InterfaceCheck::new().expect("a check");
        let whole = [importing("nowhere", &[]), unreadable()].concat();
        let error = check.check("odd", &whole).expect_err("nobody has it");
        let error = error.to_string();
        assert!(
            error.contains("'odd'") && error.contains("`nowhere`"),
            "{error}"
        );
        // Behind code, it is found when the component is linked.
        let late = importing("nowhere", &section(1, b"code"));
        let error = check.check("odd", &late).expect_err("no handler");
        assert!(matches!(error, RuntimeError::NoHandler { .. }), "{error}");
    }

    #[test]
    fn a_handler_is_told_by_its_name() {
        let check = InterfaceCheck::new().expect("a check");
        for (name, part) in [
            ("wasi:http/handler@0.3.0", None),
            ("wasi:http/incoming-handler@0.2.3", None),
            ("fermyon:spin/inbound-http", Some("of Spin 1")),
            ("fermyon:spin/inbound-redis", Some("no HTTP handler")),
            ("wasi:cli/run@0.2.3", Some("no HTTP handler")),
        ] {
            let checked = check.check("odd", &exporting(name));
            let error = checked.err().map(|error| error.to_string());
            assert_eq!(error.is_some(), part.is_some(), "{name}: {error:?}");
            assert!(
                error.unwrap_or_default().contains(part.unwrap_or_default()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_component_is_left_to_the_compiler() {
        let check = InterfaceCheck::new().expect("a check");
        for bytes in [
            &b""[..],
            b"text",
            b"\0asm\x01\0\0\0",
            &[PREAMBLE, &[7, 100]].concat(),
            &[PREAMBLE, &[1, 100, 0]].concat(),
        ] {
            assert!(check.check("odd", bytes).is_ok(), "{bytes:?}");
        }
        let error = check.check("empty", PREAMBLE).expect_err("no handler");
        assert!(matches!(error, RuntimeError::NoHandler { .. }), "{error}");
    }
}
