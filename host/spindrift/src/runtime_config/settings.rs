//! Settings of Spin's runtime configuration beside stores and variables: most of them mean nothing here. Those that a component
//! would not miss are named in a warning, those that it would are refused.

use super::RuntimeConfigError;
use super::document::{Document, Value};

const HTTP_ONLY: &str = "components speak HTTP to the outside only";

/// Settings that cannot be left aside, with the reason.
pub(crate) const REFUSED: [(&str, &str); 5] = [
    (
        "blob_store",
        "blob stores are not supported; use a key-value store",
    ),
    (
        "client_tls",
        "client certificates for outgoing requests are not supported",
    ),
    (
        "outbound_networking",
        "networks cannot be blocked here; components reach their `allowed_outbound_hosts` alone",
    ),
    ("otel", "telemetry cannot be configured here"),
    ("telemetry", "telemetry cannot be configured here"),
];

/// Settings that are left aside, with the reason.
pub(crate) const UNUSED: [(&str, &str); 10] = [
    (
        "state_dir",
        "nothing is kept on disk: the key-value stores are in memory",
    ),
    (
        "log_dir",
        "what components print goes to the log on standard error, not to files",
    ),
    (
        "outbound_http",
        "each outgoing request has a connection of its own, and their number has no limit here",
    ),
    (
        "sqlite_database",
        "SQLite databases are not offered, and a call says so",
    ),
    (
        "llm_compute",
        "AI models are not offered, and a call says so",
    ),
    ("outbound_redis", HTTP_ONLY),
    ("outbound_pg", HTTP_ONLY),
    ("postgres", HTTP_ONLY),
    ("outbound_mysql", HTTP_ONLY),
    ("outbound_mqtt", HTTP_ONLY),
];

/// Why the setting `name` cannot be left aside; `None` if it can, or if Spin has no such setting.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    reason(&REFUSED, name)
}

/// Whether Spin has a setting of this name that is left aside here.
pub(crate) fn is_unused(name: &str) -> bool {
    reason(&UNUSED, name).is_some()
}

fn reason(settings: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let setting = settings.iter().find(|(setting, _)| *setting == name);
    setting.map(|(_, reason)| *reason)
}

/// Checks the form of a setting that is left aside, and says so in `warnings`. What asks for what happens anyhow is not worth a
/// word.
pub(crate) fn leave_aside(
    document: Document<'_>,
    name: &str,
    value: &Value<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), RuntimeConfigError> {
    let mut warn = |offset: usize, what: &str| {
        let reason = reason(&UNUSED, name).unwrap_or_default();
        let (path, line) = (document.path.display(), document.line(offset));
        warnings.push(format!("{path}:{line}: {what} is left aside: {reason}"));
    };
    match name {
        "state_dir" | "log_dir" => {
            // Spin, too, takes an empty path for no path.
            if !document.string(name, value)?.is_empty() {
                warn(value.span().start, &format!("`{name}`"));
            }
        }
        "sqlite_database" => {
            for (label, database) in document.table(name, value)? {
                let section = format!("{name}.{}", label.get_ref());
                document.table(&section, database)?;
                warn(label.span().start, &format!("[{section}]"));
            }
        }
        "outbound_http" => {
            for (key, value) in document.table(name, value)? {
                let member = key.get_ref().as_ref();
                let happens_anyhow = match member {
                    "connection_pooling" => !document.boolean(member, value)?,
                    "max_connections" | "max_concurrent_requests"
                        if document.count(member, value)? == 0 =>
                    {
                        let message = format!(
                            "`{member} = 0` would block all outgoing requests, which is not done here; take the hosts out of \
                             the components' `allowed_outbound_hosts`"
                        );
                        return Err(document.fault(value.span().start, message));
                    }
                    "max_connections" | "max_concurrent_requests" => {
                        document.count(member, value)?;
                        false
                    }
                    _ => {
                        let message = format!(
                            "unknown key `{member}` in [{name}]; there are connection_pooling, max_connections and \
                             max_concurrent_requests"
                        );
                        return Err(document.fault(key.span().start, message));
                    }
                };
                if !happens_anyhow {
                    warn(key.span().start, &format!("`{member}` of [{name}]"));
                }
            }
        }
        _ => {
            document.table(name, value)?;
            warn(value.span().start, &format!("[{name}]"));
        }
    }
    Ok(())
}
