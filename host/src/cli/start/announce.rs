//! What `spindrift up` prints once the application is served, as `spin up` does: where it is, and its routes.

use std::io::Write;

use anyhow::{Context, Result};

use crate::app::{Application, Target};
use crate::cli::OutputFormat;

/// Says on standard output that the application is served at `base`.
///
/// # Errors
///
/// Standard output cannot be written to. That nobody reads it is none.
pub(super) fn announce(format: OutputFormat, application: &Application, base: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = match format {
        OutputFormat::Plain => announce_plain(&mut out, application, base),
        OutputFormat::Json => announce_json(&mut out, application, base),
    };
    match written.and_then(|()| out.flush()) {
        // Nobody reads: that is no reason not to serve.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written to")
        }
        _ => Ok(()),
    }
}

fn announce_plain(
    out: &mut impl Write,
    application: &Application,
    base: &str,
) -> std::io::Result<()> {
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

fn announce_json(
    out: &mut impl Write,
    application: &Application,
    base: &str,
) -> std::io::Result<()> {
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
