//! What `--from` may be: a manifest or its folder, or an application in a registry. Single modules are refused in words.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use spindrift_registry::{Reference, Source};

/// Checks the value of `--from`. What exists is a path, as in Spin; of what does not, only what names a registry is a
/// reference. Any other path passes: loading the application says more about a missing file than the command line can.
pub(super) fn parse(text: &str) -> Result<Source, String> {
    if text.is_empty() {
        return Err(
            "it is empty: give a spin.toml, the folder that has one, or a reference to a registry"
                .into(),
        );
    }
    if !Path::new(text).exists() {
        let no_file = |fault| format!("there is no such file or folder; {fault}");
        if Reference::names_registry(text) {
            let reference = Reference::parse(text).map_err(no_file)?;
            return Ok(Source::Registry(reference));
        }
        if text.contains("://") {
            return Err(format!(
                "{text:?} is a URL: give a spin.toml or its folder, or a reference such as registry.example/name:tag, \
                 without a scheme"
            ));
        }
        if looks_like_reference(text) {
            let reference = Reference::parse(text).map_err(no_file)?;
            return Err(no_file(format!(
                "for a reference to Docker Hub, write {reference} or --from-registry"
            )));
        }
    }
    parse_path(text).map(Source::Path)
}

/// Refuses flags that mean nothing for an application from a registry. An environment variable may be meant for others.
pub(super) fn check(matches: &ArgMatches) -> Result<(), clap::Error> {
    let from = matches.get_one::<Source>("from");
    let is_from_registry =
        matches!(from, Some(Source::Registry(_))) || matches.contains_id("from_registry");
    let is_built = matches.value_source("build") == Some(ValueSource::CommandLine);
    if is_from_registry && is_built {
        let message = "--build is for a spin.toml: what is in a registry has been built before it was pushed\n";
        return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
    }
    Ok(())
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

/// Whether this is meant as `name:tag` or `name@digest`, rather than as a path.
fn looks_like_reference(text: &str) -> bool {
    if text.contains("@sha256:") {
        return true;
    }
    let last = text.rsplit('/').next().unwrap_or(text);
    !text.starts_with(['.', '/', '~']) && !text.ends_with(".toml") && last.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_names_a_registry_is_a_reference() {
        for text in [
            "ghcr.io/acme/store:v1",
            "ghcr.io/acme/store:latest",
            "localhost:5000/store:latest",
            "localhost/store:latest",
            "ttl.sh/store:1h",
            "docker.io/acme/store:v1",
            &format!("ghcr.io/acme/store@{DIGEST}"),
            &format!("ghcr.io/acme/store:v1@{DIGEST}"),
        ] {
            let Ok(Source::Registry(reference)) = parse(text) else {
                panic!("{text}");
            };
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_may_be_a_reference_is_asked_about() {
        for (text, part) in [
            (
                "acme/store:v1",
                "write docker.io/acme/store:v1 or --from-registry",
            ),
            (
                "store:v1",
                "write docker.io/library/store:v1 or --from-registry",
            ),
            (
                "store@sha256:0123456789abcdef",
                "is no reference to a registry",
            ),
            ("ghcr.io/Acme/store:v1", "in lower case"),
            ("https://example.com/spin.toml", "is a URL"),
            ("oci://ghcr.io/acme/store", "is a URL"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
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
            colon.to_str().unwrap(),
        ] {
            assert_eq!(parse(text), Ok(Source::Path(text.into())), "{text}");
        }
    }

    #[test]
    fn a_path_that_exists_wins() {
        let folder = tempfile::Builder::new()
            .prefix("registry.")
            .tempdir_in(".")
            .unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let text = format!("{name}/store");
        assert!(Reference::names_registry(&text));
        assert_eq!(parse(&text), Ok(Source::Path(text.clone().into())));
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
