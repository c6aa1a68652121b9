//! Components whose WebAssembly is downloaded from a URL, and checked against its digest.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use tokio::sync::watch;

use super::artifacts::digest;
use super::http_server::HttpServer;
use super::server::Server;
use super::{assert_not_pushed, assert_refused, assert_says, push, push_with, up};
use crate::harness::{App, HostCommand, built, command, eventually};

/// A web server with a component at `/a.wasm`, which is asked for it so many times.
struct Web {
    _server: HttpServer,
    base: String,
    asked: Arc<AtomicUsize>,
}

impl Web {
    fn start() -> Self {
        Self::with(Router::new())
    }

    fn with(routes: Router) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, wasm) = (asked.clone(), wasm());
        let routes = routes
            .route(
                "/a.wasm",
                get(async move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    wasm
                }),
            )
            .route("/moved", get(async || Redirect::temporary("/a.wasm")))
            .route("/loop", get(async || Redirect::temporary("/loop")));
        let (server, listener) = HttpServer::bind();
        server.serve(listener, routes);
        Web {
            base: format!("http://127.0.0.1:{}", server.port()),
            _server: server,
            asked,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn wasm() -> Bytes {
    let wasm = std::fs::read(built("guest_trouble.wasm")).expect("the built guest");
    wasm.into()
}

/// An application with a component for each of these URLs, at `/0/...` and so on.
fn app(urls: &[&str], digest: &str) -> App {
    let mut app = App::new();
    for (n, url) in urls.iter().enumerate() {
        app = app.text(&format!(
            "[[trigger.http]]\nroute = \"/{n}/...\"\ncomponent = \"c{n}\"\n\
             [component.c{n}]\nsource = {{ url = \"{url}\", digest = \"{digest}\" }}"
        ));
    }
    app
}

fn in_cache(app: App, cache: &Path) -> HostCommand {
    app.command()
        .args(&["--cache-dir", &cache.to_string_lossy()])
}

#[tokio::test]
async fn a_file_is_downloaded_once_and_then_in_the_cache() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let web = Web::start();
    let [url, moved] = ["/a.wasm", "/moved"].map(|path| web.url(path));
    let app = || app(&[&moved, &url], &digest(&wasm()));
    let host = in_cache(app(), cache.path()).start();
    for path in ["/0/count", "/1/count"] {
        host.http1().get(path).await.expect(200);
    }
    let bytes = format!("{} bytes of {moved}", wasm().len());
    host.logged(&["component `c0` is downloaded", &bytes]);
    assert_eq!(web.asked(), 1);
    drop(host);

    // From now on there is no network.
    drop(web);
    for (flag, environment) in [(None, None), (Some("--offline"), None), (None, Some("1"))] {
        let mut command = in_cache(app(), cache.path());
        if let Some(flag) = flag {
            command = command.args(&[flag]);
        }
        if let Some(value) = environment {
            command = command.env("SPINDRIFT_OFFLINE", value);
        }
        let host = command.start();
        host.http1().get("/0/count").await.expect(200);
        assert!(!host.log().iter().any(|line| line.contains("downloaded")));
    }
    // What was changed in the cache is not used.
    let blob = cache.path().join("registry/blobs/sha256");
    let blob = blob.join(digest(&wasm()).trim_start_matches("sha256:"));
    std::fs::write(&blob, "changed").expect("a blob");
    assert_refused(
        in_cache(app(), cache.path()),
        &["has been changed", &moved, "nothing listens there"],
    );
}

#[tokio::test]
async fn without_the_network_what_is_not_in_the_cache_is_named() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let web = Web::start();
    let app = || app(&[&web.url("/a.wasm")], &digest(&wasm()));
    let line = format!("spin.toml:{}: ", app().manifest_line("source"));
    let parts = [
        line.as_str(),
        "component `c0`: ",
        &web.url("/a.wasm"),
        "is not in the cache, and --offline keeps it from being downloaded",
    ];
    let command = || in_cache(app(), cache.path());
    assert_refused(command().args(&["--offline"]), &parts);
    assert_refused(command().env("SPINDRIFT_OFFLINE", "true"), &parts);
    assert_refused(
        app().command().args(&["--offline", "--disable-cache"]),
        &["there is no folder for a cache"],
    );
    for name in ["push", "compile"] {
        let app = app();
        let mut command = command_of(name, &app, cache.path());
        let output = command.arg("--offline").output().expect("it starts");
        assert_not_pushed(&output, &parts);
    }
    assert_eq!(web.asked(), 0);
    // Nor is it asked for what is not kept.
    let host = app().command().args(&["--disable-cache"]).start();
    host.http1().get("/0/count").await.expect(200);
}

/// `push` to a registry that is not there, or `compile`.
fn command_of(name: &str, app: &App, cache: &Path) -> std::process::Command {
    let mut command = command(name);
    command
        .args(["-f", &app.write().to_string_lossy(), "--cache-dir"])
        .arg(cache);
    match name {
        "push" => command.arg("127.0.0.1:1/app:v1"),
        _ => command.arg("-o").arg(cache.join("compiled")),
    };
    command
}

#[tokio::test]
async fn a_file_that_is_not_to_be_had_is_named_with_its_line_and_its_url() {
    let status = |status: StatusCode| get(async move || status);
    let large = async || {
        let length = [(header::CONTENT_LENGTH, (257_u64 << 20).to_string())];
        (
            length,
            Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>()),
        )
    };
    let web = Web::with(
        Router::new()
            .route("/missing", status(StatusCode::NOT_FOUND))
            .route("/private", status(StatusCode::FORBIDDEN))
            .route("/busy", status(StatusCode::SERVICE_UNAVAILABLE))
            .route("/teapot", status(StatusCode::IM_A_TEAPOT))
            .route("/large", get(large))
            .route("/other", get(async || "other")),
    );
    let other = digest(b"other");
    for (path, parts) in [
        ("/missing", &["is not there", "404", "Check the `url`"][..]),
        ("/private", &["403", "name its path as `source`"]),
        ("/busy", &["503", "Try again later"]),
        ("/teapot", &["418"]),
        ("/loop", &["redirects too often"]),
        (
            "/large",
            &["269484032 bytes", "at most 268435456 are taken"],
        ),
        (
            "/other",
            &[&other, &digest(&wasm()), "Nothing of it is used"],
        ),
    ] {
        let url = web.url(path);
        assert_not_had(&url, parts);
    }
    let tls = web.url("/a.wasm").replace("http:", "https:");
    assert_not_had(&tls, &["does not speak TLS", "http://"]);
    assert_not_had("http://127.0.0.1:1/a.wasm", &["nothing listens there"]);
    assert_not_had(
        "http://none.invalid/a.wasm",
        &["there is no host of that name"],
    );
    assert_eq!(web.asked(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_webassembly_is_named_with_its_line_and_its_url() {
    let files = Router::new()
        .route("/archive", get(async || "PK and so on"))
        .route("/short", get(async || "\0a"));
    let web = Web::with(files);
    let cache = tempfile::tempdir().expect("a temporary folder");
    for (path, content) in [("/archive", "PK and so on"), ("/short", "\0a")] {
        let url = web.url(path);
        // The second time it is in the cache.
        for _ in 0..2 {
            let app = app(&[&url], &digest(content.as_bytes()));
            let line = app.manifest_line("source");
            let subject = format!("spin.toml:{line}: component `c0`: {url} has the digest");
            assert_refused(
                in_cache(app, cache.path()),
                &[&subject, "is no WebAssembly", "unpack it"],
            );
        }
    }
}

fn assert_not_had(url: &str, parts: &[&str]) {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let app = app(&[url], &digest(&wasm()));
    let subject = format!(
        "spin.toml:{}: component `c0`: {url} ",
        app.manifest_line("source")
    );
    let refusal = in_cache(app, cache.path()).refuse();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    assert_says(&refusal.stderr, &[&subject]);
    assert_says(&refusal.stderr, parts);
    let incoming = cache.path().join("registry/incoming");
    let left = std::fs::read_dir(incoming).expect("the folder").count();
    assert_eq!(left, 0, "something is left of {url}");
}

#[tokio::test]
async fn a_proxy_is_asked_where_there_is_one() {
    let web = Web::start();
    let cache = tempfile::tempdir().expect("a temporary folder");
    let app = app(&["http://files.invalid/a.wasm"], &digest(&wasm()));
    let host = in_cache(app, cache.path())
        .env("HTTP_PROXY", &web.base)
        .start();
    host.http1().get("/0/count").await.expect(200);
    assert_eq!(web.asked(), 1);
}

// The server works while the test waits for what the host prints.
#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_a_file_is_downloaded() {
    let open = watch::Sender::new(false);
    let told = open.clone();
    let slow = async move || {
        let mut told = told.subscribe();
        told.wait_for(|open| *open).await.expect("the test goes on");
        wasm()
    };
    let web = Web::with(Router::new().route("/slow", get(slow)));
    let cache = tempfile::tempdir().expect("a temporary folder");
    let url = web.url("/slow");
    let host = in_cache(app(&[&url], &digest(&wasm())), cache.path()).start_listening();
    let client = host.http1();
    eventually("it downloads", async || {
        let ready = client.get("/.well-known/spindrift/ready").await;
        assert_eq!(ready.status, 503);
        ready.text().contains("being downloaded").then_some(())
    })
    .await;
    host.logged(&["component `c0` is being downloaded, for ", &url]);
    open.send_replace(true);
    host.wait_until_printed("Serving ");
    client.get("/0/count").await.expect(200);
}

#[tokio::test]
async fn what_was_downloaded_is_pushed_and_compiled() {
    let web = Web::start();
    let cache = tempfile::tempdir().expect("a temporary folder");
    let app = app(&[&web.url("/a.wasm")], &digest(&wasm()));
    let compiled = command_of("compile", &app, cache.path())
        .output()
        .expect("it starts");
    assert!(compiled.status.success(), "{compiled:?}");
    assert_eq!(web.asked(), 1);

    let server = Server::start();
    let folder = cache.path().to_string_lossy().into_owned();
    let reference = server.reference("app:v1");
    let output = push_with(
        &app,
        &[
            "--insecure",
            "--offline",
            "--cache-dir",
            &folder,
            &reference,
        ],
        &super::docker::no_credentials(),
    );
    assert!(output.status.success(), "{output:?}");
    up(&reference)
        .start()
        .http1()
        .get("/0/count")
        .await
        .expect(200);

    let compiled = cache.path().join("compiled");
    let host = in_cache(app, cache.path())
        .args(&["--offline", "--compiled-dir", &compiled.to_string_lossy()])
        .start();
    host.http1().get("/0/count").await.expect(200);
    assert!(!host.log().iter().any(|line| line.contains("compiled 1 of")));
    assert_eq!(web.asked(), 1);
}

#[tokio::test]
async fn an_application_from_a_registry_starts_without_the_network_by_its_digest() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start();
    let reference = push(&super::app(), &server, "app:v1");
    let up = |reference: &str| super::up_with_cache(reference, cache.path()).args(&["--offline"]);
    assert_refused(
        up(&reference),
        &[&reference, "not all of it is in the cache", "--offline"],
    );
    super::up_with_cache(&reference, cache.path()).start();
    server.stop();
    let host = up(&reference).start();
    assert_eq!(host.http1().get("/gone").await.status, 410);
    let (tag, _) = reference.split_once('@').expect("a digest");
    assert_refused(
        up(tag),
        &[tag, "the tag stands for", "--offline", "by its digest"],
    );
}
