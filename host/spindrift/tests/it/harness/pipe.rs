//! Pipes that nobody reads yet.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::{Sender, pipe};

/// A pipe that is full of lines: its end for a process to write to, and the one to read from.
///
/// # Panics
///
/// If the system gives none.
pub fn full_pipe() -> (OwnedFd, File) {
    let (writer, reader) = pipe().expect("a pipe");
    let mut full = File::from(writer.into_nonblocking_fd().expect("its end"));
    // Pieces of this size are taken whole or not at all.
    let lines = "there before\n".repeat(256);
    while full.write(lines.as_bytes()).is_ok() {}
    while full.write(b"\n").is_ok() {}
    let full = Sender::from_owned_fd(full.into()).and_then(Sender::into_blocking_fd);
    let reader = reader.into_blocking_fd().expect("the end to read from");
    (full.expect("the end to write to"), File::from(reader))
}
