//! Settings that Spin has beside stores and variables: heeded, left aside with a warning, or refused.

use spindrift_values::ByteSize;

use super::read;

/// The warnings of a configuration that is taken.
fn warnings(text: &str) -> Vec<String> {
    match read(text) {
        Ok(config) => config.warnings,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

#[test]
fn the_memory_of_instances_is_taken() {
    let config = read("max_instance_memory = 1048576\n").expect("it is good");
    assert_eq!(config.max_instance_memory, Some(ByteSize::mib(1)));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let config = read("max_instance_memory = \"32MiB\"\n").expect("it is good");
    assert_eq!(config.max_instance_memory, Some(ByteSize::mib(32)));
}

#[test]
fn what_components_would_not_miss_is_left_aside_by_name() {
    for (text, line, parts) in [
        (
            "\nstate_dir = \"/var/spin\"\n",
            2,
            ["`state_dir`", "in memory"],
        ),
        ("log_dir = \"logs\"\n", 1, ["`log_dir`", "standard error"]),
        (
            "[outbound_http]\nconnection_pooling = true\n",
            2,
            [
                "`connection_pooling` of [outbound_http]",
                "connection of its own",
            ],
        ),
        (
            "[outbound_http]\nconnection_pooling = false\nmax_connections = 10\n",
            3,
            ["`max_connections` of [outbound_http]", "no limit"],
        ),
        (
            "outbound_http.max_concurrent_requests = 10\n",
            1,
            ["`max_concurrent_requests`", "no limit"],
        ),
        (
            "[sqlite_database.default]\ntype = \"libsql\"\nurl = \"u\"\n",
            1,
            ["[sqlite_database.default]", "a call says so"],
        ),
        (
            "[llm_compute]\ntype = \"spin\"\n",
            1,
            ["[llm_compute]", "a call says so"],
        ),
        (
            "[outbound_pg]\nmax_connections = 3\n",
            1,
            ["[outbound_pg]", "HTTP"],
        ),
    ] {
        let warnings = warnings(text);
        let [warning] = warnings.as_slice() else {
            panic!("{text:?}: {warnings:?}");
        };
        assert!(
            warning.starts_with(&format!("rc.toml:{line}: ")),
            "{warning}"
        );
        for part in parts {
            assert!(warning.contains(part), "{text:?}: {warning}");
        }
    }
    for text in [
        "state_dir = \"\"\nlog_dir = \"\"\n",
        "[outbound_http]\nconnection_pooling = false\n",
        "[sqlite_database]\n",
    ] {
        assert_eq!(warnings(text), [""; 0], "{text:?}");
    }
}

#[test]
fn what_components_would_miss_is_refused_with_the_reason() {
    for section in [
        "blob_store",
        "client_tls",
        "outbound_networking",
        "otel",
        "telemetry",
    ] {
        let error = read(&format!("# Spin's\n{section} = \"x\"\n"));
        let error = error.expect_err(section).to_string();
        assert!(
            error.starts_with(&format!("rc.toml:2: `{section}` means nothing here: ")),
            "{error}"
        );
    }
}

#[test]
fn a_setting_of_the_wrong_form_is_refused() {
    for (text, line, part) in [
        ("state_dir = 1\n", 1, "`state_dir` must be a string"),
        (
            "max_instance_memory = 1\n",
            1,
            "1B is not between 64KiB and 4GiB",
        ),
        (
            "max_instance_memory = true\n",
            1,
            "`max_instance_memory` must be a size",
        ),
        ("outbound_http = 1\n", 1, "`outbound_http` must be a table"),
        (
            "[outbound_http]\nmax_connections = 0\n",
            2,
            "allowed_outbound_hosts",
        ),
        (
            "[outbound_http]\nmax_concurrent_requests = 0\n",
            2,
            "`max_concurrent_requests = 0` would block",
        ),
        (
            "[outbound_http]\nmax_connections = true\n",
            2,
            "a whole number",
        ),
        (
            "[outbound_http]\nconnection_pooling = \"maybe\"\n",
            2,
            "\"maybe\"",
        ),
        (
            "[outbound_http]\npooling = true\n",
            2,
            "unknown key `pooling` in [outbound_http]",
        ),
        (
            "[sqlite_database]\ndefault = 1\n",
            2,
            "`sqlite_database.default` must be a table",
        ),
        ("llm_compute = \"x\"\n", 1, "`llm_compute` must be a table"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(&format!("rc.toml:{line}: ")), "{error}");
        assert!(error.contains(part), "{text:?}: {error}");
    }
}
