//! The release candidate of WASI 0.3 that Spin 4.0 was built on, and that Spin 4.1 still takes.
//!
//! Its types and functions are those of the final version, but for the names. So a component gets the final implementation:
//! the version in the names of its imports and exports is changed from `0.3.0-rc-2026-03-15` to `0.3.0+rc-2026-03-15`. Both are
//! of one length, so that a byte changes and nothing moves. What follows a `+` says how something was built, and counts for
//! nothing when versions are compared: the linker takes such a name for one of version 0.3.0. A name stays unlike that of the
//! final version, which the same component may import, too, as those of the Python SDK do.

use wasmparser::{BinaryReaderError, Chunk, Encoding, Parser, Payload};

/// The version in names, behind the `@`.
const VERSION: &str = "0.3.0-rc-2026-03-15";

/// Where the version has the `-` that becomes a `+`.
const DASH: usize = "0.3.0".len();

/// The packages of which there is a release candidate.
const PACKAGES: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Gives the names of the release candidate that a component imports or exports the final version. Anything else stays as it
/// is, what is no component, too: the compiler says what is wrong with it.
pub(crate) fn made_final(mut wasm: Vec<u8>) -> Vec<u8> {
    // What cannot be read to its end is left as it is.
    for dash in dashes(&wasm).unwrap_or_default() {
        wasm[dash] = b'+';
    }
    wasm
}

/// Where the names of the release candidate have their `-`.
fn dashes(wasm: &[u8]) -> Result<Vec<usize>, BinaryReaderError> {
    let mut dashes = Vec::new();
    let mut note = |name: &str| {
        if let Some((interface, VERSION)) = name.split_once('@')
            && PACKAGES
                .iter()
                .any(|package| interface.starts_with(package))
        {
            // The name is a part of the file.
            let begin = name.as_ptr().addr() - wasm.as_ptr().addr();
            dashes.push(begin + interface.len() + 1 + DASH);
        }
    };
    let mut parser = Parser::new(0);
    let mut at = 0;
    while let Chunk::Parsed { consumed, payload } =
        parser.parse(wasm.get(at..).unwrap_or_default(), true)?
    {
        at += consumed;
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    note(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    note(export?.name.name);
                }
            }
            // What is within the component gets its imports from it, under whatever names.
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => at = unchecked_range.end,
            Payload::Version {
                encoding: Encoding::Module,
                ..
            }
            | Payload::End(_) => break,
            _ => {}
        }
    }
    Ok(dashes)
}

#[cfg(test)]
mod tests;
