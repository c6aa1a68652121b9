//! Locked applications as Spin writes them, what they are unlocked to, and which are refused.

use std::path::Path;

use serde_json::{Value, json};
use spindrift_app::{AppError, Application, Origin, Target, manifest};

use super::*;

const REFERENCE: &str = "r.test/a:1@sha256:00";

fn digest(of: &str) -> String {
    Digest::of(of.as_bytes()).to_string()
}

/// What `spin registry push` makes of an application with all that is supported here.
fn full() -> Value {
    json!({
        "spin_lock_version": 0,
        "metadata": {
            "name": "full",
            "version": "1.2.3",
            "description": "everything",
            "authors": ["a", "b"],
            "trigger": {"type": "http"},
            "triggers": {"http": {}},
            "another": [null],
        },
        "variables": {
            "host": {"default": "example.com", "description": "where"},
            "token": {"secret": true},
        },
        "triggers": [
            {"id": "first", "trigger_type": "http",
             "trigger_config": {"component": "one", "route": "/one/...", "executor": null}},
            {"id": "gone", "trigger_type": "http",
             "trigger_config": {"route": "/gone", "static_response": {"status_code": 410, "headers": {"x": "y"}}}},
            {"id": "inner", "trigger_type": "http",
             "trigger_config": {"component": "two", "route": {"private": true}}},
        ],
        "components": [
            {
                "id": "one",
                "metadata": {
                    "description": "the first",
                    "allowed_outbound_hosts": ["https://{{ host }}"],
                    "key_value_stores": ["default"],
                    "databases": [],
                    "build": {"command": "make"},
                },
                "source": {"content_type": "application/wasm", "digest": digest("one")},
                "env": {"MODE": "test"},
                "files": [
                    {"digest": digest("page"), "path": "sub/index.html"},
                    {"inline": "aGVsbG8", "digest": digest("hello"), "path": "a.txt"},
                    {"inline": "", "path": "empty"},
                ],
                "config": {"url": "https://{{ host }}/"},
                "host_requirements": {"new_feature": "optional"},
            },
            {
                "id": "two",
                "source": {"content_type": "application/wasm", "digest": digest("two"), "inline": "dHdv"},
            },
        ],
    })
}

fn unlocked(value: &Value) -> Result<Unlocked, String> {
    LockedApplication::read(value.to_string().as_bytes()).and_then(unlock)
}

fn load(value: &Value) -> Result<Application, AppError> {
    let unlocked = unlocked(value).unwrap_or_else(|fault| panic!("{fault}"));
    let origin = Origin::Registry(REFERENCE.to_owned());
    manifest::read(&origin, Path::new("/blobs"), &unlocked.manifest, &[])
}

#[test]
fn everything_is_where_the_manifest_had_it() {
    let application = load(&full()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(application.name, "full");
    assert_eq!(application.version, "1.2.3");
    assert_eq!(application.description, "everything");
    assert_eq!(application.authors, ["a", "b"]);
    assert_eq!(application.warnings, [""; 0]);
    assert_eq!(application.origin.to_string(), REFERENCE);
    let host = &application.variables["host"];
    assert_eq!(host.default.as_deref(), Some("example.com"));
    assert_eq!(host.description.as_deref(), Some("where"));
    let token = &application.variables["token"];
    assert!(token.secret && token.default.is_none());

    let ids: Vec<_> = application.triggers.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["first", "gone", "inner"]);
    assert_eq!(application.router.routes().count(), 2);
    let gone = application.router.route("/gone").expect("a route");
    let Target::Static(response) = gone.target() else {
        panic!("{gone:?}");
    };
    assert_eq!(response.status, 410);

    let one = &application.components[0];
    assert_eq!(one.id, "one");
    assert_eq!(one.description, "the first");
    let hex = |of: &str| digest(of).replace("sha256:", "/blobs/blobs/sha256/");
    assert_eq!(one.source, Path::new(&hex("one")));
    assert_eq!(one.key_value_stores, ["default"]);
    assert_eq!(one.allowed_outbound_hosts[0].text(), "https://{{ host }}");
    assert_eq!(one.variables["url"].text(), "https://{{ host }}/");
    assert_eq!(one.environment["MODE"], "test");
    let destinations = one
        .files
        .mounts
        .iter()
        .filter_map(|m| m.destination.as_deref());
    let destinations: Vec<_> = destinations.collect();
    assert_eq!(destinations, ["/sub/index.html", "/a.txt", "/empty"]);
}

#[test]
fn contents_are_named_by_component() {
    let unlocked = unlocked(&full()).expect("it is good");
    let one: Vec<_> = unlocked.contents["one"]
        .iter()
        .map(|content| {
            (
                content.what.as_str(),
                content.digest.as_str(),
                content.inline.as_deref(),
            )
        })
        .collect();
    let (source, page, hello, nothing) =
        (digest("one"), digest("page"), digest("hello"), digest(""));
    assert_eq!(
        one,
        [
            ("the WebAssembly of component `one`", source.as_str(), None),
            (
                "the file \"sub/index.html\" of component `one`",
                page.as_str(),
                None
            ),
            (
                "the file \"a.txt\" of component `one`",
                hello.as_str(),
                Some(&b"hello"[..])
            ),
            (
                "the file \"empty\" of component `one`",
                nothing.as_str(),
                Some(&b""[..])
            ),
        ]
    );
    assert_eq!(
        unlocked.contents["two"][0].inline.as_deref(),
        Some(&b"two"[..])
    );
}

/// The full application with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut application = full();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = application.pointer_mut(parent).expect("it is there");
    match parent {
        Value::Array(entries) => entries[key.parse::<usize>().expect("an index")] = value,
        parent => parent[key] = value,
    }
    application
}

#[test]
fn what_cannot_be_unlocked_is_refused() {
    let file = |content: Value| with("/components/0/files", json!([content]));
    for (application, part) in [
        (
            with("/must_understand", json!(["new"])),
            "must understand \"new\"",
        ),
        (
            with("/host_requirements", json!({"gpu": "required"})),
            "the feature \"gpu\"",
        ),
        (
            with("/components/1/host_requirements", json!({"gpu": true})),
            "the feature \"gpu\"",
        ),
        (
            with("/components/1/id", json!("one")),
            "the component `one` twice",
        ),
        (
            with("/triggers/0/trigger_config", json!(1)),
            "trigger `first` that are no object",
        ),
        (
            with("/components/0/source/digest", json!("sha256:1")),
            "the WebAssembly of component `one` by the digest \"sha256:1\"",
        ),
        (
            with("/components/0/source/digest", Value::Null),
            "the WebAssembly of component `one` by no digest",
        ),
        (
            file(json!({"digest": digest("x"), "path": "../x"})),
            "\"../x\", which is not inside",
        ),
        (
            file(json!({"digest": digest("x"), "path": "/x"})),
            "\"/x\", which is not inside",
        ),
        (
            file(json!({"digest": digest("x"), "path": "a/./x"})),
            "which is not inside",
        ),
        (
            file(json!({"digest": digest("x"), "path": "a//x"})),
            "which is not inside",
        ),
        (
            file(json!({"digest": digest("x"), "path": ""})),
            "which is not inside",
        ),
        (file(json!({"inline": "*", "path": "x"})), "is malformed"),
        (
            with("/components/0/metadata/description", json!(u64::MAX)),
            "holds what no manifest can",
        ),
    ] {
        let fault = unlocked(&application).map(drop).unwrap_err();
        assert!(fault.contains(part), "{application}\n{fault}");
    }
    let many: Vec<_> = (0..=limits::FILES)
        .map(|n| json!({"inline": "", "path": n.to_string()}))
        .collect();
    let fault = unlocked(&with("/components/0/files", json!(many))).map(drop);
    assert!(fault.unwrap_err().contains("65537 files"));
}

/// The reader of manifests refuses these, and has to name what it is about without a line.
#[test]
fn what_a_manifest_may_not_have_is_refused_by_its_name() {
    let trigger = |kind: &str| {
        with(
            "/triggers/0",
            json!({"id": "first", "trigger_type": kind, "trigger_config": {"component": "one", "channel": "c"}}),
        )
    };
    for (application, parts) in [
        (
            trigger("redis"),
            &["trigger.redis", "only the `http` trigger is supported"][..],
        ),
        (with("/triggers", json!([])), &["holds no [[trigger.http]]"]),
        (
            with("/triggers/0/trigger_config/route", json!("/:a/:a")),
            &["the trigger `first`", "/:a/:a"],
        ),
        (
            with("/triggers/0/trigger_config/component", json!("none")),
            &["the trigger `first`", "component.none"],
        ),
        (
            with(
                "/triggers/0/trigger_config/executor",
                json!({"type": "wagi"}),
            ),
            &["the trigger `first`", "`wagi`"],
        ),
        (
            with("/triggers/0/trigger_config/unknown", json!(1)),
            &["the trigger `first`", "unknown field `unknown`"],
        ),
        (
            with(
                "/triggers/0/trigger_dependencies",
                json!({"middleware": []}),
            ),
            &["the trigger `first`", "(middleware) are not supported"],
        ),
        (
            with(
                "/components/0/dependencies",
                json!({"a:b/c": {"source": {"content_type": "x", "digest": "x"}}}),
            ),
            &[
                "[component.one]",
                "component dependencies are not supported",
            ],
        ),
        (
            with(
                "/components/0/metadata/allowed_outbound_hosts",
                json!(["http://{a,b}"]),
            ),
            &["[component.one]", "http://{a,b}"],
        ),
        (
            with(
                "/components/0/metadata/allowed_outbound_hosts",
                json!(["https://{{ none }}"]),
            ),
            &["[component.one]", "`{{ none }}`"],
        ),
        (
            with("/components/0/metadata/databases", json!("default")),
            &["[component.one]", "sqlite_databases", "a list"],
        ),
        (
            with("/components/0/metadata/key_value_stores", json!(["a b"])),
            &["[component.one]", "\"a b\""],
        ),
        (
            with("/components/0/metadata/key_value_stores", json!(7)),
            &["[component.one]", "a list"],
        ),
        (with("/components/0/id", json!("No Id")), &["\"No Id\""]),
        (
            with("/metadata/name", Value::Null),
            &["[application] has no `name`"],
        ),
        (
            with("/metadata/triggers", json!({"http": {"base": "/x"}})),
            &["[application.trigger.http]", "\"/x\""],
        ),
        (with("/variables", json!({"A-B": {}})), &["\"A-B\""]),
    ] {
        let error = load(&application).map(drop).unwrap_err();
        assert!(matches!(error, AppError::Locked { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{REFERENCE}: ")), "{text}");
        for part in parts {
            assert!(text.contains(part), "no {part:?} in: {text}");
        }
    }
}

#[test]
fn the_first_versions_say_the_base_elsewhere() {
    let old = |base: &str| {
        let mut application = with("/metadata/trigger", json!({"type": "http", "base": base}));
        if let Some(metadata) = application["metadata"].as_object_mut() {
            metadata.remove("triggers");
        }
        load(&application)
    };
    assert!(old("/").is_ok());
    let error = old("/x").map(drop).unwrap_err().to_string();
    assert!(
        error.contains("`base`") && error.contains("\"/x\""),
        "{error}"
    );
}
