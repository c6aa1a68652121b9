//! [`print()`]: what a command says on standard output.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes all of the text. A reader that stops reading, such as `head`, has seen enough.
///
/// # Errors
///
/// Standard output cannot be written to.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_ref()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written to")
        }
        _ => Ok(()),
    }
}
