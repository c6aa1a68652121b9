//! Variables: where values come from, what goes before what, and that nothing shows a secret.

use std::path::Path;

use super::*;
use crate::Origin;

const MANIFEST: &str = r#"spin_manifest_version = 2
application.name = "test"
[variables]
host = { default = "example.com" }
token = { required = true, secret = true }
user_name = { required = true }
[[trigger.http]]
route = "/"
component = "a"
[component.a]
source = "a.wasm"
variables = { url = "https://{{ host }}/{{token}}", plain = "x" }
allowed_outbound_hosts = ["https://{{ host }}", "*://*.{{ host }}:1"]
[component.b]
source = "b.wasm"
"#;

fn application() -> Application {
    application_of(MANIFEST)
}

fn application_of(manifest: &str) -> Application {
    let read = super::super::manifest::read(
        &Origin::Manifest("spin.toml".into()),
        Path::new("/app"),
        manifest,
        &[],
    );
    read.expect("the manifest is good")
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn resolve(arguments: &[&str], pairs: &[(&str, &str)]) -> Result<ResolvedVariables, String> {
    VariableValues::new(arguments, environment(pairs))
        .and_then(|values| values.resolve(&application()))
        .map_err(|error| error.to_string())
}

#[test]
fn arguments_go_before_the_environment_and_both_before_defaults() {
    let resolved = resolve(
        &["token=first", "token=t=1", "user_name="],
        &[
            ("SPIN_VARIABLE_TOKEN", "from the environment"),
            ("SPIN_VARIABLE_HOST", "env.example"),
            ("SPIN_VARIABLE_UNKNOWN", "is ignored"),
            ("HOST", "is ignored"),
        ],
    )
    .expect("all have values");
    assert_eq!(resolved.variables(0)["url"], "https://env.example/t=1");
    assert_eq!(resolved.variables(0)["plain"], "x");
    assert!(resolved.variables(1).is_empty());
    assert!(
        resolved
            .allowed_hosts(0)
            .allows("https", "env.example", None)
    );
    assert!(
        resolved
            .allowed_hosts(0)
            .allows("x", "sub.env.example", Some(1))
    );
    assert!(
        !resolved
            .allowed_hosts(0)
            .allows("https", "example.com", None)
    );
    assert!(resolved.allowed_hosts(1).is_empty());

    let resolved =
        resolve(&["token=t"], &[("SPIN_VARIABLE_USER_NAME", "u")]).expect("all have values");
    assert_eq!(resolved.variables(0)["url"], "https://example.com/t");
}

#[test]
fn an_entry_that_its_variables_make_empty_allows_nothing() {
    let hosts = "[\"https://{{ host }}\", \"{{ user_name }}{{ token }}\"]";
    let manifest = MANIFEST.replace("[\"https://{{ host }}\", \"*://*.{{ host }}:1\"]", hosts);
    let application = application_of(&manifest);
    let resolve = |token: &str| {
        VariableValues::new(&[token, "user_name= "], environment(&[]))
            .and_then(|values| values.resolve(&application))
    };
    let resolved = resolve("token=").expect("the empty entry is skipped");
    let allowed = resolved.allowed_hosts(0);
    assert!(allowed.allows("https", "example.com", None));
    assert!(!allowed.allows("http", "other.test", None));
    let resolved = resolve("token=http://other.test").expect("an entry");
    assert!(resolved.allowed_hosts(0).allows("http", "other.test", None));
    assert!(resolve("token=other").is_err());
}

#[test]
fn values_come_from_files_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path.display().to_string()
    };
    let json = file(
        "a.json",
        r#"{"token": "json", "user_name": "json", "of_another_application": "x"}"#,
    );
    let toml = file("a.toml", "token = \"toml\"\n");
    let text = file("token.txt", "text\n");

    let url = |arguments: &[&str]| {
        resolve(arguments, &[]).map(|resolved| resolved.variables(0)["url"].clone())
    };
    assert_eq!(
        url(&[&format!("@{json}")]).as_deref(),
        Ok("https://example.com/json")
    );
    assert_eq!(
        url(&[&format!("@{json}"), &format!("@{toml}")]).as_deref(),
        Ok("https://example.com/toml")
    );
    assert_eq!(
        url(&[&format!("@{json}"), &format!("token=@{text}")]).as_deref(),
        Ok("https://example.com/text\n")
    );
    assert_eq!(
        url(&[&format!("token=@{text}"), &format!("@{json}")]).as_deref(),
        Ok("https://example.com/json")
    );

    let bad_json = file("bad.json", "{\n\"token\": [\"hush\"]}");
    let bad_toml = file("bad.toml", "\n\ntoken = [\"hush\"]");
    let other = file("bad.yaml", "token: hush");
    for (argument, expected) in [
        (
            format!("@{bad_json}"),
            format!(
                "{bad_json}: line 2: this must be one JSON object whose values are all strings"
            ),
        ),
        (
            format!("@{bad_toml}"),
            format!("{bad_toml}: line 3: this must be TOML with one `name = \"value\"` a line"),
        ),
        (
            format!("@{other}"),
            format!("{other}: a file of variables must end in .json or .toml"),
        ),
        (
            "token=@/nowhere/x".to_owned(),
            "cannot read /nowhere/x: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        assert_eq!(url(&[&argument]), Err(expected));
    }
}

#[test]
fn what_is_wrong_is_told_without_values() {
    for (arguments, expected) in [
        (
            &["user_name=hush"][..],
            "variable `token` is required and has no value; set it with `--variable token=…` or SPIN_VARIABLE_TOKEN=…",
        ),
        (
            &[][..],
            "variable `token` is required and has no value; set it with `--variable token=…` or SPIN_VARIABLE_TOKEN=…\n\
             variable `user_name` is required and has no value; set it with `--variable user_name=…` or SPIN_VARIABLE_USER_NAME=…",
        ),
        (
            &["tokn=hush"][..],
            "--variable tokn=…: spin.toml declares no variable `tokn`; it declares host, token, user_name",
        ),
        (
            &["hush"][..],
            "--variable takes `name=value`, `name=@file`, `@file.json` or `@file.toml`; one was given without `=` or `@`",
        ),
        (
            &["token=x", "user_name=x", "host="][..],
            "component `a`: the entry \"https://{{ host }}\" of `allowed_outbound_hosts` is no `scheme://host:port` with the given value of `host`, which is empty",
        ),
        (
            &["token=x", "user_name=x", "host=hush/hush"][..],
            "component `a`: the entry \"https://{{ host }}\" of `allowed_outbound_hosts` is no `scheme://host:port` with the given value of `host`",
        ),
    ] {
        assert_eq!(
            resolve(arguments, &[]).map(drop),
            Err(expected.to_owned()),
            "{arguments:?}"
        );
    }
}

#[test]
fn debug_shows_no_value() {
    let values = VariableValues::new(
        &["token=hush"],
        environment(&[("SPIN_VARIABLE_USER_NAME", "hush")]),
    )
    .expect("the arguments are good");
    let application = application();
    let resolved = values.resolve(&application).expect("all have values");
    let shown = format!("{values:?} {resolved:?} {:?}", application.variables);
    assert!(shown.contains("token") && shown.contains("url"), "{shown}");
    assert!(
        !shown.contains("hush") && !shown.contains("example.com"),
        "{shown}"
    );
}
