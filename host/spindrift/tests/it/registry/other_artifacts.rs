//! What is no application, or none that can be run here.

use serde_json::{Value, json};

use super::artifacts::{IMAGE_CONFIG, MANIFEST, Repository, locked};
use super::server::{APPLICATION, Server};
use super::{assert_refused, up};

#[tokio::test]
async fn what_is_no_application_is_described() {
    let server = Server::start();
    let repository = Repository::new(&server, "other");
    let config = repository.blob(IMAGE_CONFIG, "{}").await;

    let layer = repository
        .blob("application/vnd.oci.image.layer.v1.tar+gzip", "x")
        .await;
    let image = repository.image("image", config.clone(), &[layer]).await;
    assert_refused(
        up(&image),
        &[
            &image,
            "is no Spin application",
            "an ordinary container image",
        ],
    );

    let mut wasm = repository.guest("guest_env.wasm").await;
    wasm["mediaType"] = json!("application/wasm");
    let config = repository
        .blob("application/vnd.wasm.config.v0+json", "{}")
        .await;
    let component = repository.image("component", config, &[wasm]).await;
    assert_refused(
        up(&component),
        &["a WebAssembly component alone", "`source`"],
    );

    let config = repository
        .blob("application/vnd.cncf.helm.config.v1+json", "{}")
        .await;
    let layer = repository
        .blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x")
        .await;
    let chart = repository.image("chart", config, &[layer]).await;
    assert_refused(up(&chart), &["application/vnd.cncf.helm.config.v1+json"]);

    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []});
    let index = repository
        .manifest("index", "application/vnd.oci.image.index.v1+json", &index)
        .await;
    assert_refused(up(&index), &["lists several images"]);
}

/// The first versions of Spin had the locked application where an image has its configuration.
#[tokio::test]
async fn an_application_as_the_first_versions_of_spin_pushed_it_runs() {
    let server = Server::start();
    let repository = Repository::new(&server, "old");
    let wasm = repository.guest("guest_env.wasm").await;
    let config = repository
        .blob(APPLICATION, locked(&wasm, json!([])).to_string())
        .await;
    // They had Docker's media type for the manifest, too.
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [wasm]});
    let reference = repository.manifest("v1", MANIFEST, &manifest).await;
    let host = up(&reference).start();
    host.http1().get("/env/list?path=/").await.expect(200);
}

#[tokio::test]
async fn a_locked_application_that_cannot_be_run_says_why_and_where() {
    let server = Server::start();
    let repository = Repository::new(&server, "locked");
    let wasm = repository.guest("guest_env.wasm").await;
    let good = locked(&wasm, json!([]));
    let with = |pointer: &str, value: Value| {
        let mut application = good.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = application.pointer_mut(parent).expect("it is there");
        parent[key] = value;
        application
    };
    for (tag, application, parts) in [
        (
            "version",
            with("/spin_lock_version", json!(2)),
            &["its locked application has version 2"][..],
        ),
        (
            "text",
            json!("text"),
            &["its locked application has no `spin_lock_version`"],
        ),
        (
            "need",
            with("/must_understand", json!(["future"])),
            &["must understand \"future\""],
        ),
        (
            "redis",
            with("/triggers/0/trigger_type", json!("redis")),
            &["trigger.redis", "only the `http` trigger is supported here"],
        ),
        (
            "route",
            with("/triggers/0/trigger_config/route", json!("/:a/:a")),
            &["the trigger `http-trigger-env`", "/:a/:a"],
        ),
        (
            "hosts",
            with(
                "/components/0/metadata",
                json!({"allowed_outbound_hosts": ["http://{a,b}"]}),
            ),
            &["[component.env]", "http://{a,b}"],
        ),
        (
            "dependencies",
            with("/components/0/dependencies", json!({"a:b/c": {}})),
            &[
                "[component.env]",
                "component dependencies are not supported here",
            ],
        ),
        (
            "escape",
            with(
                "/components/0/files",
                json!([{"inline": "", "path": "../../x"}]),
            ),
            &[
                "component `env`",
                "\"../../x\", which is not inside its folder",
            ],
        ),
        (
            "local",
            with(
                "/components/0/source",
                json!({"content_type": "application/wasm", "source": "file:///etc/passwd"}),
            ),
            &["the WebAssembly of component `env` by no digest"],
        ),
    ] {
        let reference = repository
            .application(tag, &application, vec![wasm.clone()])
            .await;
        assert_refused(up(&reference), &[&[reference.as_str()], parts].concat());
    }
}
