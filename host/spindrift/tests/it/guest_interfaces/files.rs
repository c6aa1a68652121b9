//! `files` and `exclude_files`: what a guest sees of the disk.

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::App;

/// An application with files; the guest sees some of them.
fn app() -> App {
    App::new()
        .guest(
            "env",
            r#"
            files = ["data/**/*.txt", { source = "assets", destination = "/static" }, "single.bin"]
            exclude_files = ["data/secret.txt", "assets/*.key"]
            "#,
        )
        .file("data/one.txt", "one")
        .file("data/deep/er/two.txt", "two, é")
        .file("data/other.md", "of another kind")
        .file("data/secret.txt", "excluded")
        .file("assets/page.html", "<p>page</p>")
        .file("assets/private.key", "excluded")
        .file("single.bin", "single")
        .file("unlisted.txt", "unlisted")
}

async fn content(guests: &Guests, path: &str) -> Value {
    guests.ok("env/file", &[("path", path)]).await
}

#[tokio::test]
async fn a_guest_reads_its_files() {
    let guests = Guests::start(app());
    for (path, expected) in [
        ("/data/one.txt", "one"),
        ("/data/deep/er/two.txt", "two, é"),
        ("/static/page.html", "<p>page</p>"),
        ("/single.bin", "single"),
        ("data/one.txt", "one"),
        ("/static/../data/./one.txt", "one"),
    ] {
        assert_eq!(content(&guests, path).await, json!(expected), "{path}");
    }
    for (folder, expected) in [
        ("/", json!(["data", "single.bin", "static"])),
        ("/data", json!(["deep", "one.txt"])),
        ("/static", json!(["page.html"])),
    ] {
        let listed = guests.ok("env/list", &[("path", folder)]).await;
        assert_eq!(listed, expected, "{folder}");
    }
}

#[tokio::test]
async fn what_is_not_listed_or_is_excluded_is_not_there() {
    let guests = Guests::start(app());
    for path in [
        "/data/secret.txt",
        "/data/other.md",
        "/static/private.key",
        "/assets/page.html",
        "/unlisted.txt",
        "/spin.toml",
        "/etc/passwd",
        "/proc/self/environ",
    ] {
        let error = guests.error("env/file", &[("path", path)]).await;
        assert!(error.starts_with("NotFound"), "{path}: {error}");
    }
}

#[tokio::test]
async fn there_is_no_way_out_of_the_folder() {
    let app = app();
    let outside = app.path().join("unlisted.txt");
    let outside = outside.to_str().expect("a path that is text").to_owned();
    let guests = Guests::start(app);
    let up = "../".repeat(32);
    for path in [
        outside.clone(),
        format!("{up}{outside}"),
        format!("/{up}etc/passwd"),
        format!("{up}etc/passwd"),
        format!("/data/{up}etc/passwd"),
        "/data/../../etc/passwd".to_owned(),
    ] {
        let error = guests.error("env/file", &[("path", &path)]).await;
        assert!(
            ["NotFound", "PermissionDenied"]
                .iter()
                .any(|kind| error.starts_with(kind)),
            "{path}: {error}"
        );
        guests.error("env/list", &[("path", &path)]).await;
        guests.error("env/write", &[("path", &path)]).await;
    }
}

#[tokio::test]
async fn files_cannot_be_written() {
    let app = app();
    let on_disk = app.path().join("data/one.txt");
    let guests = Guests::start(app);
    for path in [
        "/data/one.txt",
        "/new.txt",
        "/data/new.txt",
        "/static/page.html",
    ] {
        let args = [("path", path), ("content", "written")];
        for operation in ["env/write", "env/remove"] {
            let error = guests.error(operation, &args).await;
            assert!(!error.is_empty(), "{operation} {path}");
        }
    }
    assert_eq!(content(&guests, "/data/one.txt").await, json!("one"));
    assert_eq!(
        content(&guests, "/static/page.html").await,
        json!("<p>page</p>")
    );
    let listed = guests.ok("env/list", &[("path", "/data")]).await;
    assert_eq!(listed, json!(["deep", "one.txt"]));
    let left = std::fs::read_to_string(on_disk).expect("the application's own file");
    assert_eq!(left, "one");
}

#[tokio::test]
async fn a_component_without_files_sees_none() {
    let guests = Guests::start(App::new().guest("env", "").file("data.txt", "unlisted"));
    assert_eq!(guests.ok("env/preopens", &[]).await, json!([]));
    for path in ["/data.txt", "data.txt", "/etc/passwd", "/", "."] {
        guests.error("env/file", &[("path", path)]).await;
        guests.error("env/list", &[("path", path)]).await;
        guests.error("env/write", &[("path", path)]).await;
    }
}

#[tokio::test]
async fn every_component_has_files_of_its_own() {
    let file = |name: &str| format!("files = [{name:?}]");
    let app = App::new()
        .guest("env", &file("a.txt"))
        .component("second", "/second/...", "guest_env.wasm", &file("b.txt"))
        .file("a.txt", "a")
        .file("b.txt", "b");
    let guests = Guests::start(app);
    for (component, own, others) in [("env", "a", "b"), ("second", "b", "a")] {
        let path = format!("{component}/file");
        let read = guests.ok(&path, &[("path", &format!("/{own}.txt"))]).await;
        assert_eq!(read, json!(own), "{component}");
        guests
            .error(&path, &[("path", &format!("/{others}.txt"))])
            .await;
    }
}
