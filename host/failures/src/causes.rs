//! [`WithCauses`]: an error of another crate, with what is behind it.
//!
//! An error of this workspace has its cause in its text and returns no source, so that one place prints it as another does: the end of
//! the process, a line of the log, an answer to a client. Errors that are `transparent` pass on both of another one. Errors of
//! other crates may say the cause in their source alone ("transport error"), and are printed through this.

use std::error::Error;
use std::fmt;

/// Prints an error and what is behind it, each part once.
pub struct WithCauses<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let more = cause.to_string();
            // Some say the cause in their text and return it, too.
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            next = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn each_cause_is_printed_once() {
        let refused = Layer("connection refused", None);
        let connect = Layer("tcp connect: connection refused", Some(refused.into()));
        let transport = Layer("transport error", Some(connect.into()));
        assert_eq!(
            WithCauses(&transport).to_string(),
            "transport error: tcp connect: connection refused"
        );
    }

    /// What stands between the bracket at the beginning of `text` and the one that closes it, and what is behind that.
    fn bracketed(text: &str) -> (&str, &str) {
        let (mut depth, mut in_string, mut escaped) = (0, false, false);
        for (at, c) in text.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_string => escaped = true,
                '"' => in_string = !in_string,
                '(' | '[' | '{' if !in_string => depth += 1,
                ')' | ']' | '}' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return (&text[1..at], &text[at + 1..]);
                    }
                }
                _ => {}
            }
        }
        panic!("a bracket is not closed: {:?}", text.lines().next());
    }

    /// The variant or the struct at the beginning of `text`.
    fn item(text: &str) -> &str {
        let mut depth = 0;
        for (at, c) in text.char_indices() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                ',' | ';' if depth == 0 => return &text[..at],
                _ => {}
            }
            if depth < 0 || (depth == 0 && c == '}') {
                return &text[..at];
            }
        }
        text
    }

    /// The errors in a file of Rust that have a text of their own and return a source.
    fn printed_twice(rust: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = rust;
        while let Some(at) = rest.find("#[error(") {
            let (attribute, behind) = bracketed(&rest[at + 1..]);
            rest = behind;
            let item = item(behind);
            let field = item.contains(" source:") || item.contains("(source:");
            let returns = field || item.contains("#[source]") || item.contains("#[from]");
            if returns && attribute != "error(transparent)" {
                found.push(attribute);
            }
        }
        found
    }

    fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                rust_files(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }

    /// With the cause in the text and as the source, too, the end of the process prints it twice; with the cause as the source
    /// alone, those that print the error alone lose it.
    #[test]
    fn errors_have_their_cause_in_the_text_alone() {
        let mut files = Vec::new();
        rust_files(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            &mut files,
        );
        let mut read = 0;
        for file in &files {
            // The examples below.
            if file.ends_with("failures/src/causes.rs") {
                continue;
            }
            let rust = fs::read_to_string(file).expect("a file of the sources");
            read += rust.matches("#[error(").count();
            let found = printed_twice(&rust);
            assert!(
                found.is_empty(),
                "{file:?}: {found:#?}: name the field `reason`, without #[source] and #[from], and write `From` by hand"
            );
        }
        assert!(read > 100, "{read} errors in {} files", files.len());
    }

    #[test]
    fn every_form_of_a_source_is_seen() {
        for (rust, expected) in [
            ("#[error(\"a: {0}\")]\nOne(#[from] io::Error),", 1),
            ("#[error(\"a (b: {0}\")]\nOne(#[source] io::Error),", 1),
            (
                "#[error(\n\"a {}: {source}\", path.display()\n)]\nOne { path: PathBuf, source: io::Error },",
                1,
            ),
            ("#[error(\"a\")]\nstruct One { source: io::Error }", 1),
            ("#[error(transparent)]\nOne(#[from] io::Error),", 0),
            (
                "#[error(\"a: {0}\")]\nOne(io::Error),\nTwo(#[from] fmt::Error),",
                0,
            ),
            ("#[error(\"a\")]\nOne,\n}\nstruct Two { source: u8 }", 0),
        ] {
            assert_eq!(printed_twice(rust).len(), expected, "{rust}");
        }
    }
}
