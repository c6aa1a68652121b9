//! What `--from` may be: a manifest or its folder. Registry references and single modules are refused in words.

use std::path::{Path, PathBuf};

/// Checks the value of `--from`. A path that does not exist passes, unless it looks like a registry reference: loading the
/// application says more about a missing file than the command line can.
pub(super) fn parse(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it is empty: give a spin.toml or the folder that has one".into());
    }
    let path = PathBuf::from(text);
    if path.exists() {
        return parse_path(text);
    }
    if is_registry_reference(text) {
        return Err(format!(
            "there is no such file or folder, and if {text:?} is a registry reference: registries are not supported. \
             Give a spin.toml or the folder that has one"
        ));
    }
    parse_path(text)
}

/// As [`parse`], for flags that only ever name a path.
pub(super) fn parse_path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let is_wasm = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"));
    if is_wasm && !path.is_dir() {
        return Err("a WebAssembly file alone has no routes: give a spin.toml whose component has it as `source`".into());
    }
    Ok(path.to_owned())
}

/// Whether this reads as `host/name`, `host:port/name`, `name:tag` or `name@digest`, as container registries have them.
fn is_registry_reference(text: &str) -> bool {
    if text.contains("@sha256:") || text.contains("://") {
        return true;
    }
    if text.starts_with(['.', '/', '~']) || text.ends_with(".toml") {
        return false;
    }
    match text.split_once('/') {
        Some((host, rest)) => {
            let hostlike = host == "localhost" || host.contains('.') || host.contains(':');
            hostlike && !rest.is_empty()
                || rest
                    .rsplit('/')
                    .next()
                    .is_some_and(|last| last.contains(':'))
        }
        None => text.contains(':'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_references_are_refused() {
        for text in [
            "ghcr.io/acme/store:v1",
            "ghcr.io/acme/store",
            "localhost:5000/store",
            "localhost/store",
            "ttl.sh/store:1h",
            "acme/store:v1",
            "store:v1",
            "store@sha256:0123456789abcdef",
            "https://example.com/spin.toml",
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.contains("registries are not supported") && error.contains(text),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn paths_pass_whether_they_exist_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let colon = folder.path().join("odd:name");
        std::fs::create_dir(&colon).unwrap();
        for text in [
            "spin.toml",
            "apps/store",
            "./a:b",
            "/no/such/folder",
            "../store",
            "~/store",
            "store.d/spin.toml",
        ] {
            assert_eq!(parse(text), Ok(PathBuf::from(text)), "{text}");
        }
        assert_eq!(parse(colon.to_str().unwrap()), Ok(colon.clone()));
    }

    #[test]
    fn single_modules_and_nothing_are_refused() {
        assert!(parse("handler.wasm").unwrap_err().contains("has no routes"));
        assert!(
            parse_path("handler.WASM")
                .unwrap_err()
                .contains("has no routes")
        );
        assert!(parse("").unwrap_err().contains("empty"));
    }
}
