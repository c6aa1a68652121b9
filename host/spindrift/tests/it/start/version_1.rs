//! Manifests of version 1, the form of Spin 1.

use serde_json::json;

use super::assert_refused;
use crate::harness::App;

const HEAD: &str = "spin_manifest_version = \"1\"\nname = \"former\"\n";
/// A component, from line 4 of the manifest.
const COMPONENT: &str = "[[component]]\nid = \"Former_One\"\nsource = \"$guests/guest_env.wasm\"\nfiles = [\"one.txt\"]\n\
                         environment = { MODE = \"former\" }\n";

fn app(trigger: &str, component_trigger: &str) -> App {
    let manifest =
        format!("{HEAD}{trigger}\n{COMPONENT}[component.trigger]\n{component_trigger}\n");
    App::with_manifest(&manifest).file("one.txt", "one")
}

#[tokio::test]
async fn an_application_of_version_1_runs_behind_its_base() {
    let app = app(
        "trigger = { type = \"http\", base = \"/api\" }",
        "route = \"/one/...\"",
    );
    let host = app.start(&[]);
    host.wait_until_printed("former-one: ");
    assert!(host.printed().contains("/api/one (wildcard)"));
    let client = host.http1();
    let file = client.get("/api/one/file?path=/one.txt").await;
    assert_eq!(file.json(), json!({"ok": "one"}));
    assert_eq!(client.get("/one/file?path=/one.txt").await.status, 404);
    host.logged(&["WARN", "version 1", "spin doctor"]);
    let log = host.log();
    let warned = log.iter().filter(|line| line.contains("version 1"));
    assert_eq!(warned.count(), 1, "{log:?}");
}

#[tokio::test]
async fn what_cannot_run_of_version_1_is_named_with_its_line() {
    let http = "trigger = { type = \"http\", base = \"/\" }";
    for (trigger, component, parts) in [
        (
            "trigger = { type = \"redis\" }",
            "channel = \"c\"",
            ["spin.toml:3: ", "\"redis\"", "only \"http\" is supported"],
        ),
        (
            http,
            "route = \"/\"\nexecutor = { type = \"wagi\" }",
            ["spin.toml:11: ", "`wagi`", "wasi:http"],
        ),
        (
            http,
            "rote = \"/\"",
            ["spin.toml:9: ", "component `former-one`", "`route`"],
        ),
    ] {
        assert_refused(app(trigger, component).command(), &parts);
    }
}
