//! Sections of Spin's runtime configuration that mean nothing here, with the reason for each.

/// Why the section `name` is refused; `None` if Spin has no such section.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    Some(match name {
        "sqlite_database" => "SQLite databases are not supported; use a key-value store",
        "llm_compute" => "AI models are not supported",
        "blob_store" => "blob stores are not supported; use a key-value store",
        "state_dir" => "nothing is kept on disk: the key-value stores are in memory",
        "log_dir" => "what components print goes to the log on standard error, not to files",
        "client_tls" => "client certificates for outgoing requests are not supported",
        "outbound_networking" => {
            "networks cannot be blocked here; components reach their `allowed_outbound_hosts` alone"
        }
        "outbound_http" => "outgoing HTTP cannot be configured",
        "outbound_pg" | "outbound_mysql" | "outbound_redis" | "outbound_mqtt" => {
            "components speak HTTP to the outside only"
        }
        "max_instance_memory" => "set it with --max-instance-memory or SPIN_MAX_INSTANCE_MEMORY",
        "otel" | "telemetry" => "telemetry cannot be configured here",
        _ => return None,
    })
}
