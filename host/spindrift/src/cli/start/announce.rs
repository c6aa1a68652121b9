//! What `spindrift up` prints once the application is served, as `spin up` does: where it is, and its routes. On a terminal a
//! request to try follows.

use std::io::{ErrorKind, IsTerminal as _, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use spindrift_app::{Application, Target};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::first_request::first_request;
use crate::cli::OutputFormat;

/// How long standard output may take for it. It may be a pipe that nobody reads.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says on standard output that the application is served at `base`. Where standard output takes longer, it is said as soon as
/// somebody reads, and the process does not wait for that.
///
/// # Errors
///
/// Standard output cannot be written to. That nobody reads it is none.
pub(super) async fn announce(
    format: OutputFormat,
    application: &Application,
    base: &str,
) -> Result<()> {
    let mut text = Vec::new();
    match format {
        OutputFormat::Plain => announce_plain(&mut text, application, base),
        OutputFormat::Json => announce_json(&mut text, application, base),
    }?;
    if format == OutputFormat::Plain && std::io::stdout().is_terminal() {
        text.extend_from_slice(first_request(application, base).as_bytes());
    }
    let (writing, written) = oneshot::channel();
    // No thread of the event loop: those are waited for where the process panics.
    thread::Builder::new()
        .name("announcement".into())
        .spawn(move || {
            let mut out = std::io::stdout().lock();
            let result = out.write_all(&text).and_then(|()| out.flush());
            // Nobody waits for it where it has taken long.
            writing.send(result).ok();
        })
        .context("no thread could be started to write to standard output")?;
    match timeout(PATIENCE, written).await {
        Ok(Ok(Err(error))) => match error.kind() {
            // Nobody reads: that is no reason not to serve.
            ErrorKind::BrokenPipe | ErrorKind::WouldBlock => Ok(()),
            _ => Err(error).context("standard output cannot be written to"),
        },
        Ok(_) => Ok(()),
        Err(_) => {
            tracing::warn!(
                "standard output is not read: the routes will be printed there when it is"
            );
            Ok(())
        }
    }
}

fn announce_plain(out: &mut Vec<u8>, application: &Application, base: &str) -> std::io::Result<()> {
    writeln!(out, "Serving {base}")?;
    writeln!(out, "Available Routes:")?;
    for route in application.router.routes() {
        let name = component_id(application, &route.target).unwrap_or(&route.id);
        writeln!(out, "  {name}: {base}{route}")?;
        if let Target::Component(index) = route.target
            && let Some(component) = application.components.get(index)
            && !component.description.is_empty()
        {
            writeln!(out, "    {}", component.description)?;
        }
    }
    Ok(())
}

fn announce_json(out: &mut Vec<u8>, application: &Application, base: &str) -> std::io::Result<()> {
    let routes: Vec<_> = application
        .router
        .routes()
        .map(|route| {
            serde_json::json!({
                "id": component_id(application, &route.target).unwrap_or(&route.id),
                "route": route.matched(),
                "url": format!("{base}{}", route.component_route()),
                "wildcard": route.is_wildcard(),
            })
        })
        .collect();
    let line = serde_json::json!({ "base_url": base, "routes": routes });
    writeln!(out, "{line}")
}

fn component_id<'a>(application: &'a Application, target: &Target) -> Option<&'a str> {
    match target {
        Target::Component(index) => application.components.get(*index).map(|c| c.id.as_str()),
        Target::Static(_) => None,
    }
}
