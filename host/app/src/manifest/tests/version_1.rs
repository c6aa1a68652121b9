//! Manifests of Spin 1.

use std::path::Path;

use super::faults::fault;
use super::{read, read_with};
use crate::{Application, Template};

const FULL: &str = r#"
spin_manifest_version = "1"
name = "former"
version = "0.1.0"
description = "of Spin 1"
authors = ["a@example.com"]
trigger = { type = "http", base = "/" }

[variables]
api_host = { default = "example.com" }

[[component]]
id = "Under_Score"
source = "target/a.wasm"
description = "The first"
key_value_stores = ["default"]
allowed_http_hosts = ["a.test"]
environment = { MODE = "test" }
files = [{ source = "static", destination = "/" }]
exclude_files = ["static/secret"]
[component.trigger]
route = "/a/..."
executor = { type = "spin" }
[component.config]
url = "https://{{ api_host }}"
[component.build]
command = "make"
workdir = "sub"

[[component]]
id = "kept-ID"
source = "b.wasm"
allowed_outbound_hosts = ["redis://b.test"]
allowed_http_hosts = ["insecure:allow-all"]
trigger = { route = "/b" }
"#;

fn good(text: &str) -> Application {
    read(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn routes(application: &Application) -> Vec<String> {
    let routes = application.router.routes();
    routes
        .map(|route| format!("{}: {}", route.id, route.raw()))
        .collect()
}

fn hosts(application: &Application, index: usize) -> Vec<String> {
    let hosts = application.components[index].allowed_outbound_hosts.iter();
    hosts.map(Template::text).collect()
}

#[test]
fn a_full_manifest_becomes_what_spin_makes_of_it() {
    let application = good(FULL);
    assert_eq!(application.name, "former");
    assert_eq!(application.version, "0.1.0");
    assert_eq!(application.description, "of Spin 1");
    assert_eq!(application.authors, ["a@example.com"]);
    assert_eq!(
        application.warnings,
        [
            "the manifest has version 1, the form of Spin 1, and is read as Spin reads it; `spin doctor` makes version 2 of it"
        ]
    );
    let [a, b] = application.components.as_slice() else {
        panic!("{application:?}");
    };
    assert_eq!((a.id.as_str(), b.id.as_str()), ("under-score", "kept-ID"));
    assert_eq!(a.source, Path::new("/app/target/a.wasm"));
    assert_eq!(a.description, "The first");
    assert_eq!(a.key_value_stores, ["default"]);
    assert_eq!(a.variables["url"].text(), "https://{{ api_host }}");
    assert_eq!(a.environment["MODE"], "test");
    assert_eq!((a.files.mounts.len(), a.files.exclude.len()), (1, 1));
    assert_eq!(a.build.as_ref().expect("it has a build").commands, ["make"]);
    assert_eq!(
        hosts(&application, 0),
        [
            "redis://*:*",
            "mysql://*:*",
            "postgres://*:*",
            "http://a.test",
            "https://a.test"
        ]
    );
    assert_eq!(
        hosts(&application, 1),
        ["redis://b.test", "http://*:*", "https://*:*"]
    );
    assert_eq!(routes(&application), ["kept-ID: /b", "under-score: /a/..."]);
    let [first, second] = application.triggers.as_slice() else {
        panic!("{application:?}");
    };
    assert_eq!(
        (first.id.as_str(), second.id.as_str()),
        ("trigger-under-score", "trigger-kept-ID")
    );
    assert_eq!(second.component.as_deref(), Some("kept-ID"));
    assert_eq!(second.config["route"], "/b");

    let one = read_with(FULL, &["under-score"]).expect("there is such a component");
    assert_eq!(routes(&one), ["under-score: /a/..."]);
}

/// A manifest with one component (from line 4).
fn with_component(head: &str, component: &str) -> String {
    format!("spin_manifest_version = \"1\"\nname = \"x\"\n{head}\n[[component]]\n{component}\n")
}

fn with_base(base: &str, route: &str) -> String {
    with_component(
        &format!("trigger = {{ type = \"http\", base = {base:?} }}"),
        &format!("id = \"a\"\nsource = \"a\"\ntrigger.route = {route:?}"),
    )
}

#[test]
fn routes_are_behind_the_base() {
    for (base, route, expected) in [
        ("/", "/", "/"),
        ("", "/a", "/a"),
        ("/", "a", "a"),
        ("/api", "/a/...", "/api/a/..."),
        ("/api/", "/", "/api/"),
        ("/api/v1/", "a", "/api/v1/a"),
        ("api", "/...", "api/..."),
    ] {
        let application = good(&with_base(base, route));
        assert_eq!(routes(&application), [format!("a: {expected}")]);
        assert_eq!(application.triggers[0].config["route"], expected);
    }
}

#[test]
fn odd_but_good_manifests_are_read() {
    let trigger = "trigger = { type = \"http\" }";
    let component = "id = \"a\"\nsource = \"a\"\ntrigger = { route = \"/\" }";
    let good = with_component(trigger, component);
    for text in [
        good.clone(),
        good.replace("spin_manifest_version", "spin_version"),
        with_component("[trigger]\ntype = \"http\"\nbase = \"/\"", component),
        with_component(
            trigger,
            &format!("{component}\nsqlite_databases = []\nai_models = []"),
        ),
        with_component(
            trigger,
            &component.replace("\"/\"", "\"/\", executor.type = \"http\""),
        ),
    ] {
        super::read(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    }
}

#[test]
fn faults_are_named_with_their_line() {
    let http = "trigger = { type = \"http\" }";
    let component = "id = \"a\"\nsource = \"a\"\ntrigger = { route = \"/\" }";
    let with = |more: &str| with_component(http, &format!("{component}\n{more}"));
    for (text, expected) in [
        (
            "spin_manifest_version = \"1\"\n[application]\nname = \"x\"".to_owned(),
            "spin.toml:2: [application] is of manifest version 2, and the manifest says that it has version 1; write `spin_manifest_version = 2`",
        ),
        (
            "spin_manifest_version = \"1\"".to_owned(),
            "spin.toml:1: the manifest has no `name`; add one, such as `name = \"my-application\"`",
        ),
        (
            with_component("", component),
            "spin.toml:1: the manifest has no `trigger`; add one, such as `trigger = { type = \"http\" }`",
        ),
        (
            with_component("trigger = { type = \"redis\", address = \"x\" }", component),
            "spin.toml:3: the application has the trigger \"redis\"; only \"http\" is supported here, so run it with `spin up`",
        ),
        (
            with_component("trigger = { base = \"/\" }", component),
            "spin.toml:3: `trigger` has no `type`; add one, such as `type = \"http\"`",
        ),
        (
            with_component("trigger = { type = \"http\", bass = \"/\" }", component),
            "spin.toml:3: unknown field `bass` in `trigger`; it may have `type`, `base`",
        ),
        (
            with_component("", component),
            "spin.toml:1: the manifest has no `trigger`",
        ),
        (
            with_component(&format!("{http}\nnmae = 1"), component),
            "spin.toml:4: unknown field `nmae` in the manifest; it may have `spin_manifest_version`, `name`, `version`, `description`, `authors`, `trigger`, `variables`, `component`",
        ),
        (
            format!("spin_manifest_version = \"1\"\nname = \"x\"\n{http}\n"),
            "spin.toml:1: the manifest has no [[component]], so the application would answer nothing; add one with an `id`, a `source` and a `trigger`",
        ),
        (
            with_component(http, component).replace("[[component]]", "[component]"),
            "spin.toml:4: [component] must be written with two brackets, [[component]], once for each component",
        ),
        (
            with_component(http, "source = \"a\""),
            "spin.toml:4: [[component]] has no `id`; add one, such as `id = \"my-component\"`",
        ),
        (
            with_component(http, "id = \"a b\""),
            "spin.toml:5: component id \"a b\": ' ' is not allowed in a name",
        ),
        (
            with("[[component]]\nid = \"A\"\n[[component]]\nid = \"a\""),
            "spin.toml:8: [[component]] `A` has no `trigger`; add one, such as `trigger = { route = \"/...\" }`",
        ),
        (
            with_component(
                http,
                &format!(
                    "{}\n[[component]]\nid = \"a_B\"",
                    component.replace("\"a\"", "\"a-b\"")
                ),
            ),
            "spin.toml:9: component id \"a_B\": another component has the id `a-b`, too",
        ),
        (
            with_component(http, "id = \"a\"\ntrigger = { route = \"/\" }"),
            "spin.toml:4: [[component]] `a` has no `source`",
        ),
        (
            with("variables = {}"),
            "spin.toml:8: unknown field `variables` in [[component]] `a`; it may have `id`, `trigger`, `source`, ",
        ),
        (
            with("config = { url = \"{{ none }}\" }"),
            "spin.toml:8: `url` in `config` in [[component]] `a`: `{{ none }}` names a variable",
        ),
        (
            with_component(http, "id = \"a\"\nsource = \"a\"\ntrigger = {}"),
            "spin.toml:7: `trigger` of component `a` has no `route`; add one, such as `route = \"/...\"`",
        ),
        (
            with_component(
                http,
                "id = \"a\"\nsource = \"a\"\n[component.trigger]\nroute = \"/\"\nexecutor = { type = \"wagi\" }",
            ),
            "spin.toml:9: the `wagi` executor is not supported here; build the component for `wasi:http` and remove `executor`",
        ),
        (
            with_component(
                http,
                "id = \"a\"\nsource = \"a\"\n[component.trigger]\nchannel = \"x\"",
            ),
            "spin.toml:7: `trigger` of component `a` has no `route`",
        ),
        (
            with_base("/a", "/../b c"),
            "spin.toml:7: route \"/a/../b c\": ' ' never occurs in the path of a request",
        ),
        (
            with("source_ = 1"),
            "spin.toml:8: unknown field `source_` in [[component]] `a`",
        ),
    ] {
        let found = fault(&text);
        assert!(
            found.starts_with(expected),
            "{text}\n found: {found}\n expected: {expected}"
        );
    }
}
