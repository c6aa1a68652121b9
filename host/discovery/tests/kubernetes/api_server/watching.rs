//! Watches: changes as they happen, bookmarks between them, and an end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;

use super::request::Target;
use super::server::Shared;

/// How often a watch is told how far it is.
const BOOKMARKS: Duration = Duration::from_secs(1);

/// How long a watch lasts that does not say it.
const LASTS: Duration = Duration::from_secs(300);

type Line = Result<Bytes, std::io::Error>;

/// Answers a watch, and goes on answering.
pub fn watch(shared: &Arc<Shared>, target: &Target) -> Response<Body> {
    let (lines, body) = mpsc::channel::<Line>(16);
    tokio::spawn(stream(shared.clone(), target.clone(), lines));
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(ReceiverStream::new(body)))
        .expect("a response")
}

async fn stream(shared: Arc<Shared>, target: Target, lines: mpsc::Sender<Line>) {
    let asked = |name: &str| target.query.get(name).map_or("", String::as_str);
    let mut version: u64 = asked("resourceVersion").parse().unwrap_or_default();
    let lasts = asked("timeoutSeconds")
        .parse()
        .map_or(LASTS, Duration::from_secs);
    let end = Instant::now() + lasts;
    let mut changes = shared.changes.subscribe();
    let mut cuts = shared.cuts.subscribe();
    let mut bookmark = Instant::now() + BOOKMARKS;
    loop {
        changes.borrow_and_update();
        // At one moment, so that no change is left out between the last one sent and a bookmark.
        let (since, latest) = {
            let objects = shared.objects.lock();
            (objects.since(version), objects.version())
        };
        let since = match since {
            Ok(since) => since,
            Err(problem) => {
                lines.send(line("ERROR", &problem.status())).await.ok();
                return;
            }
        };
        for change in since {
            let (resource, namespace) = (&target.call.resource, &target.namespace);
            let seen = change.seen(resource, namespace, asked("labelSelector"));
            if let Some((kind, object)) = seen
                && lines.send(line(kind, &object)).await.is_err()
            {
                return;
            }
        }
        version = version.max(latest);
        if Instant::now() >= bookmark {
            bookmark = Instant::now() + BOOKMARKS;
            let object = json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": { "resourceVersion": version.to_string() },
            });
            if asked("allowWatchBookmarks") == "true"
                && lines.send(line("BOOKMARK", &object)).await.is_err()
            {
                return;
            }
        }
        tokio::select! {
            // First of all: what happens after the end is not told.
            biased;
            _ = cuts.changed() => {
                if shared.faults.lock().away {
                    // In the middle of a line, as when the server's machine is gone.
                    lines.send(Err(std::io::ErrorKind::ConnectionReset.into())).await.ok();
                }
                return;
            }
            () = lines.closed() => return,
            () = sleep_until(end) => return,
            _ = changes.changed() => {}
            () = sleep_until(bookmark) => {}
        }
    }
}

fn line(kind: &str, object: &Value) -> Line {
    let line = json!({ "type": kind, "object": object });
    Ok(Bytes::from(format!("{line}\n")))
}
