//! Where the WebAssembly of a component is.

use super::faults::fault;
use super::{read, with_component};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A component `b` (line 11) with this source (from line 12).
fn with_source(source: &str) -> String {
    with_component(&format!("[component.b]\n{source}"))
}

#[test]
fn a_source_is_a_path_or_a_url_with_a_digest() {
    for source in [
        format!("source = {{ url = \"https://a.test/b.wasm\", digest = \"{DIGEST}\" }}"),
        format!("[component.b.source]\ndigest = \"{DIGEST}\"\nurl = \"https://a.test/b.wasm\""),
    ] {
        let application = read(&with_source(&source)).expect("the manifest is good");
        assert!(application.has_downloads());
        let [a, b] = application.components.as_slice() else {
            panic!("{application:?}");
        };
        assert_eq!(a.remote, None);
        let file = b.remote.as_ref().expect("a file to download");
        assert_eq!(file.to_string(), "https://a.test/b.wasm");
        assert_eq!(b.source.to_str(), Some(""));
    }
    let application = read(&with_source("source = \"b.wasm\"")).expect("the manifest is good");
    assert!(!application.has_downloads());
}

#[test]
fn faults_of_sources_are_named_with_their_line() {
    let digest = |digest: &str| {
        format!("[component.b.source]\nurl = \"https://a.test/b.wasm\"\ndigest = {digest}")
    };
    let url = |url: &str| format!("source = {{ url = {url}, digest = \"{DIGEST}\" }}");
    for (source, expected) in [
        (
            "source = { url = \"https://a.test/b.wasm\" }".to_owned(),
            "spin.toml:12: `source` in [component.b] has no `digest`; add one, `digest = \"sha256:…\"` with what `sha256sum` prints of the file",
        ),
        (
            format!("source = {{ digest = \"{DIGEST}\" }}"),
            "spin.toml:12: `source` in [component.b] has no `url`; add one, such as `url = \"https://example.com/component.wasm\"`",
        ),
        (
            "source = {}".to_owned(),
            "spin.toml:12: `source` in [component.b] has no `url`",
        ),
        (
            digest("\"sha256:00\""),
            "spin.toml:14: `digest` in `source` in [component.b]: \"sha256:00\" is no digest; write \"sha256:\" and the 64 hexadecimal digits, in lower case, that `sha256sum` prints of the file",
        ),
        (
            digest(&format!("\"{}\"", DIGEST.trim_start_matches("sha256:"))),
            "spin.toml:14: `digest` in `source` in [component.b]: \"e3b0",
        ),
        (
            digest("\"sha512:00\""),
            "spin.toml:14: `digest` in `source` in [component.b]: \"sha512:00\" is no digest",
        ),
        (
            digest("1"),
            "spin.toml:14: `digest` in `source` in [component.b] must be a string, not 1",
        ),
        (
            url("\"a.test/b.wasm\""),
            "spin.toml:12: `url` in `source` in [component.b]: \"a.test/b.wasm\" is no URL (relative URL without a base); write one such as \"https://example.com/component.wasm\"",
        ),
        (
            url("\"ftp://a.test/b.wasm\""),
            "spin.toml:12: `url` in `source` in [component.b]: a file is downloaded over https or http, not over \"ftp\"; write one such as \"https://example.com/component.wasm\"",
        ),
        (
            url("\"file:///b.wasm\""),
            "spin.toml:12: `url` in `source` in [component.b]: a file is downloaded over https or http, not over \"file\"",
        ),
        (
            url("[]"),
            "spin.toml:12: `url` in `source` in [component.b] must be a string, not a list",
        ),
        (
            format!("source = {{ url = \"https://a.test/b\", digest = \"{DIGEST}\", sha = 1 }}"),
            "spin.toml:12: unknown field `sha` in `source` in [component.b]; it may have `url`, `digest`",
        ),
        (
            "source = \"https://a.test/b.wasm\"".to_owned(),
            "spin.toml:12: `source` in [component.b] is a path here; write { url = \"https://a.test/b.wasm\", digest = \"sha256:…\" } to have the file downloaded",
        ),
        (
            "source = { registry = \"r\", package = \"a:b\", version = \"1.0.0\" }".to_owned(),
            "spin.toml:12: `source` in [component.b]: a package of a registry is not supported here; download it (`wkg get`) and name the file's path",
        ),
        (
            "source = { package = \"a:b\", version = \"1.0.0\" }".to_owned(),
            "spin.toml:12: `source` in [component.b]: a package of a registry is not supported here",
        ),
    ] {
        let found = fault(&with_source(&source));
        assert!(
            found.starts_with(expected),
            "{source}\n found: {found}\n expected: {expected}"
        );
    }
}
