//! Manifests: what a good one means, and which of it is kept or warned of.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::{AppError, Application, Origin, Target};

mod faults;
mod hosts;
mod sources;
mod version_1;

fn read_with(text: &str, components: &[&str]) -> Result<Application, AppError> {
    let components: Vec<_> = components.iter().map(|id| (*id).to_owned()).collect();
    super::read(
        &Origin::Manifest("spin.toml".into()),
        Path::new("/app"),
        text,
        &components,
    )
}

fn read(text: &str) -> Result<Application, AppError> {
    read_with(text, &[])
}

/// Five lines of a good manifest; more goes behind it.
const START: &str = r#"spin_manifest_version = 2
[application]
name = "test"
[variables]
host = { default = "example.com" }
"#;

/// `START`, one trigger (lines 6 to 8), one component (lines 9 and 10); more of the component from line 11.
fn with_component(more: &str) -> String {
    format!(
        "{START}[[trigger.http]]\nroute = \"/a\"\ncomponent = \"a\"\n[component.a]\nsource = \"a.wasm\"\n{more}\n"
    )
}

/// `START`, one component (lines 6 and 7), one trigger (line 8); more of the trigger from line 9.
fn with_trigger(more: &str) -> String {
    format!("{START}[component.a]\nsource = \"a.wasm\"\n[[trigger.http]]\n{more}\n")
}

const FULL: &str = r#"
spin_manifest_version = 2

[application]
name = "everything"
version = "1.2.3"
description = "All that is supported"
authors = ["a@example.com", "b@example.com"]
targets = ["spin-up:4.0"]
tool.lint.level = 3
[application.trigger.http]
base = "/"

[variables]
api_host = { default = "example.com", description = "where" }
token = { required = true, secret = true }

[[trigger.http]]
id = "first"
route = "/a/:name/..."
component = "comp-a"
executor = { type = "http" }

[[trigger.http]]
route = "/inline"
component = { source = "inline.wasm" }

[[trigger.http]]
route = { private = true }
component = "comp-b"

[[trigger.http]]
route = "/..."
static_response = { status_code = 404, headers = { content-type = "text/plain" }, body = "gone" }

[component.comp-b]
source = "/absolute/b.wasm"

[component.comp-a]
source = "out/a.wasm"
description = "The first"
key_value_stores = ["default", "other_one", "default"]
sqlite_databases = []
ai_models = []
allowed_outbound_hosts = ["https://{{ api_host }}", "redis://*:*"]
variables = { url = "https://{{ api_host }}/{{ token }}" }
environment = { MODE = "test" }
files = ["assets/*.png", { source = "static", destination = "/s" }]
exclude_files = ["assets/secret*"]
dependencies_inherit_configuration = false
[component.comp-a.build]
command = ["one", "two"]
workdir = "sub"
watch = ["src/**"]
[component.comp-a.tool.x]
y = 1
"#;

#[test]
fn a_full_manifest_is_read() {
    let application = read(FULL).expect("the manifest is good");

    assert_eq!(application.name, "everything");
    assert_eq!(application.version, "1.2.3");
    assert_eq!(application.description, "All that is supported");
    assert_eq!(application.authors.len(), 2);
    assert_eq!(application.root, Path::new("/app"));
    assert_eq!(
        application.warnings,
        ["`base` in [application.trigger.http] is deprecated; as it is \"/\", it can be removed"]
    );

    let ids: Vec<_> = application
        .components
        .iter()
        .map(|c| c.id.as_str())
        .collect();
    assert_eq!(ids, ["comp-b", "comp-a", "http-trigger1-component"]);
    assert_eq!(
        application.components[0].source,
        Path::new("/absolute/b.wasm")
    );

    let a = &application.components[1];
    assert_eq!(a.source, Path::new("/app/out/a.wasm"));
    assert_eq!(a.description, "The first");
    assert_eq!(a.key_value_stores, ["default", "other_one"]);
    assert_eq!(
        a.variables["url"].variables().collect::<Vec<_>>(),
        ["api_host", "token"]
    );
    assert_eq!(a.environment["MODE"], "test");
    assert_eq!(a.files.mounts.len(), 2);
    let build = a.build.as_ref().expect("it has a build");
    assert_eq!(build.commands, ["one", "two"]);
    assert_eq!(build.workdir, PathBuf::from("/app/sub"));

    let printed: Vec<_> = application
        .router
        .routes()
        .map(|route| format!("{}: {route}", route.id))
        .collect();
    assert_eq!(
        printed,
        [
            "http-trigger1-component: /inline",
            "comp-a: /a/:name (wildcard)",
            "http-trigger2:  (wildcard)"
        ]
    );
    let found = application
        .router
        .route("/nowhere")
        .expect("the catch-all takes it");
    let Target::Static(response) = found.target() else {
        panic!("{found:?} is not static");
    };
    assert_eq!(response.status, 404);
    assert_eq!(response.headers["content-type"], "text/plain");
    assert_eq!(response.body, "gone");
}

#[test]
fn odd_but_good_manifests_are_read() {
    for text in [
        with_component(""),
        with_component("sqlite_databases = []\nallowed_http_hosts = []\ndependencies = {}"),
        with_component("profile.debug.source = \"d.wasm\"\ntool.x.y = 1\ntargets = []"),
        with_trigger("route = \"/\"\nexecutor = { type = \"spin\" }\ncomponent = \"a\""),
        with_trigger("route = \"no-slash\"\ncomponent = \"a\"\ncomponents = {}"),
        with_trigger("route = \"/\"\nstatic_response = {}"),
    ] {
        if let Err(error) = read(&text) {
            panic!("{text}\n{error}");
        }
    }
}

const TWO_COMPONENTS: &str = r#"spin_manifest_version = 2
application.name = "two"
[component.a]
source = "a.wasm"
[component.b]
source = "b.wasm"
[[trigger.http]]
route = "/a"
component = "a"
[[trigger.http]]
route = "/b"
component = "b"
[[trigger.http]]
route = "/b"
component = "a"
[[trigger.http]]
route = "/..."
static_response = { status_code = 404 }
[[trigger.http]]
route = "/.well-known/spin/x"
component = "a"
[[trigger.http]]
route = "/.well-known/spindrift/ready"
component = "a"
"#;

#[test]
fn grants_of_what_is_not_offered_are_read_and_warned_of() {
    let text =
        with_component("sqlite_databases = [\"default\", \"x\"]\nai_models = [\"llama2-chat\"]");
    let application = read(&text).expect("the manifest is good");
    assert_eq!(application.components[0].sqlite_databases, ["default", "x"]);
    assert_eq!(application.components[0].ai_models, ["llama2-chat"]);
    assert_eq!(
        application.warnings,
        [
            "component `a`: `sqlite_databases` grants [\"default\", \"x\"], and there are no SQLite databases here: its calls to them fail",
            "component `a`: `ai_models` grants [\"llama2-chat\"], and there are no AI models here: its calls to them fail",
        ]
    );
}

#[test]
fn what_has_no_effect_is_no_fault() {
    let text = with_component("dependencies_inherit_configuration = true").replacen(
        "[application]",
        "[application.trigger.redis]\naddress = \"redis://x\"\n[application]",
        1,
    );
    let application = read(&text).expect("the manifest is good");
    assert_eq!(
        application.warnings,
        ["[application.trigger.redis] has no effect: the host has the `http` trigger only"]
    );
}

#[test]
fn routes_that_are_never_used_are_warned_of() {
    let application = read(TWO_COMPONENTS).expect("the manifest is good");
    assert_eq!(
        application.warnings,
        [
            "route \"/b\" of `b` is never used: route \"/b\" of `a` takes the same paths",
            "route \"/.well-known/spin/x\" of `a` is never used: the host itself answers everything under /.well-known/spin/",
            "route \"/.well-known/spindrift/ready\" of `a` is never used: the host itself answers everything under /.well-known/spindrift/",
        ]
    );
    let whole = read(&with_component("files = [\"**/*\"]")).expect("the manifest is good");
    assert_eq!(
        whole.warnings,
        [
            "component `a` gets every file of the application's folder (`files = [\"**/*\"]`); write \"./**/*\" if that is meant"
        ]
    );
}

#[test]
fn a_choice_of_components_keeps_them_and_their_routes() {
    let application = read_with(TWO_COMPONENTS, &["b"]).expect("there is a `b`");
    assert_eq!(application.components.len(), 1);
    assert_eq!(application.components[0].id, "b");
    let routes: Vec<_> = application
        .router
        .routes()
        .map(ToString::to_string)
        .collect();
    assert_eq!(routes, ["/b"]);
    let found = application.router.route("/b").expect("/b is kept");
    assert!(matches!(found.target(), Target::Component(0)));

    let error = read_with(TWO_COMPONENTS, &["a", "c"])
        .map(|_| ())
        .map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("spin.toml has no component `c` to keep; it has `a`, `b`".to_owned())
    );
}

proptest! {
    /// Lines of a good manifest, some left out, some twice, some with another value: it may be wrong, but the answer is an
    /// application or an error on one of its lines.
    #[test]
    fn no_manifest_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..9), 0..6),
        junk in "[a-z{}\\[\\]\"=.:/* ]{0,12}",
    ) {
        let mut lines: Vec<String> = FULL.lines().map(str::to_owned).collect();
        for (index, change) in changes {
            let at = index.index(lines.len());
            let key = lines[at].split('=').next().unwrap_or_default().to_owned();
            match change {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at] = junk.clone(),
                3 => lines[at] = format!("{key}= 7"),
                4 => lines[at] = format!("{key}= true"),
                5 => lines[at] = format!("{key}= [{junk:?}]"),
                6 => lines[at] = format!("{key}= {junk:?}"),
                7 => lines[at] = format!("{key}= {{ x = {junk:?} }}"),
                _ => lines.swap(at, 2),
            }
        }
        let text = lines.join("\n");
        match read(&text) {
            Ok(application) => prop_assert!(!application.name.trim().is_empty()),
            Err(AppError::Manifest { line, message, .. }) => {
                prop_assert!((1..=lines.len()).contains(&line), "{}: {}", line, message);
                prop_assert!(!message.is_empty());
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
