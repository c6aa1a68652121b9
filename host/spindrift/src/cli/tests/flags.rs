//! What each flag sets, and what holds without it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use spindrift_registry::{Reference, Source};
use spindrift_values::{ByteSize, Range};

use super::parsing::up;
use crate::cli::{Cli, OutputFormat, parse, refused};
use crate::logging::LogFormat;
use crate::runtime_config::{ReadConsistency, StoreConfig, StoreKind};

const fn seconds(n: u64) -> Range<Duration> {
    Range::Value(Duration::from_secs(n))
}

#[test]
fn the_declaration_is_sound() {
    Cli::command().debug_assert();
    Cli::command()
        .mut_subcommand("up", refused::add_to)
        .debug_assert();
}

#[test]
fn defaults() {
    let up = up(&[]);
    assert_eq!(up.application(), Source::Path("spin.toml".into()));
    assert_eq!(
        up.listen.address,
        "127.0.0.1:3000".parse::<SocketAddr>().unwrap()
    );
    assert_eq!(up.listen.format, OutputFormat::Plain);
    assert!(!up.build && !up.logs.quiet && !up.listen.find_free_port && !up.disable_cache);
    assert!(up.components().is_empty() && up.env.is_empty() && up.variables.is_empty());
    assert_eq!(
        (up.runtime_config_file.as_ref(), up.listen.tls()),
        (None, None)
    );
    assert_eq!(up.instances.max_instance_reuse_count, Range::Value(128));
    assert_eq!(up.instances.idle_instance_timeout, seconds(10));
    assert_eq!(up.instances.request_timeout, seconds(30));
    assert_eq!(up.instances.memory(None), ByteSize::mib(64));
    assert_eq!(
        up.limits.request_body_bytes(1 << 20),
        (6 << 20) + (64 << 10)
    );
    assert_eq!(up.limits.max_concurrent_requests, 1000);
    assert_eq!(up.limits.queue_timeout, Duration::from_millis(500));
    assert_eq!(up.limits.max_connections, 10_000);
    assert_eq!(up.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(up.limits.keep_alive_timeout, Duration::from_secs(75));
    assert_eq!(up.limits.http1_max_buf_size, None);
    assert_eq!(
        (up.logs.log_format, up.logs.log_level.as_str()),
        (LogFormat::Text, "info")
    );
    assert!(!up.replication.replicated && !up.replication.bootstrap);
    let store = StoreConfig {
        kind: StoreKind::Local,
        max_key_bytes: 1024,
        max_value_bytes: 1 << 20,
        max_total_bytes: None,
        read_consistency: ReadConsistency::Linearizable,
    };
    assert_eq!(up.store_defaults(), store);
}

#[test]
fn every_flag_arrives() {
    let files = [
        "--tls-cert",
        "c.pem",
        "--tls-key",
        "k.pem",
        "--runtime-config-file",
        "rc.toml",
        "--cache-dir",
        "cache",
    ];
    let up1 = up(&[
        &[
            "-f",
            "app/spin.toml",
            "-c",
            "get",
            "--component-id",
            "put",
            "-e",
            "A=1",
            "--env",
            "B=x=y",
            "-q",
            "--build",
        ][..],
        &[
            "--variable",
            "a=b",
            "--variable",
            "c=@file",
            "--variable",
            "@vars.json",
            "--variable",
            "@vars.toml",
        ],
        &files,
        &[
            "--listen",
            "0.0.0.0:80",
            "--find-free-port",
            "--format",
            "json",
            "--log-format",
            "json",
            "--log-level",
            "debug",
        ],
        &["--workers", "3"],
    ]
    .concat());
    assert_eq!(up1.application(), Source::Path("app/spin.toml".into()));
    assert_eq!(up1.components(), ["get", "put"]);
    assert_eq!(
        up1.env,
        [
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "x=y".to_owned())
        ]
    );
    assert_eq!(
        up1.variables,
        ["a=b", "c=@file", "@vars.json", "@vars.toml"]
    );
    assert!(up1.build && up1.logs.quiet && up1.listen.find_free_port);
    assert_eq!(
        up1.listen.tls(),
        Some((&PathBuf::from("c.pem"), &PathBuf::from("k.pem")))
    );
    assert_eq!(up1.runtime_config_file, Some(PathBuf::from("rc.toml")));
    assert_eq!(up1.cache(), Some(PathBuf::from("cache")));
    assert_eq!(up1.listen.format, OutputFormat::Json);
    assert_eq!(
        (up1.logs.log_format, up1.logs.log_level.as_str()),
        (LogFormat::Json, "debug")
    );
    assert_eq!(up1.instances.workers.map(|workers| workers.get()), Some(3));

    let up2 = up(&[
        &[
            "--max-instance-reuse-count",
            "1..8",
            "--max-instance-concurrent-reuse-count",
            "1",
            "--idle-instance-timeout",
            "0",
        ][..],
        &[
            "--request-timeout",
            "500ms..2s",
            "--max-instance-memory",
            "32Mi",
            "--max-request-body",
            "5k",
        ],
        &[
            "--max-value-size",
            "2MiB",
            "--max-key-size",
            "256",
            "--max-total-size",
            "4GiB",
            "--max-concurrent-requests",
            "7",
        ],
        &[
            "--max-connections",
            "8",
            "--header-timeout",
            "250ms",
            "--keep-alive-timeout",
            "2s",
            "--http1-max-buf-size",
            "8192",
            "--shutdown-timeout",
            "0",
        ],
        &["--disable-cache", "--cache-dir", "cache"],
    ]
    .concat());
    assert_eq!(
        up2.instances.max_instance_reuse_count,
        Range::Bounds { start: 1, end: 8 }
    );
    assert_eq!(up2.instances.idle_instance_timeout, seconds(0));
    let (start, end) = (Duration::from_millis(500), Duration::from_secs(2));
    assert_eq!(up2.instances.request_timeout, Range::Bounds { start, end });
    let configured = Some(ByteSize::mib(128));
    assert_eq!(up2.instances.memory(configured), ByteSize::mib(32));
    assert_eq!(up1.instances.memory(configured), ByteSize::mib(128));
    assert_eq!(up2.limits.request_body_bytes(1 << 20), 5000);
    assert_eq!(up2.store_defaults().max_value_bytes, 2 << 20);
    assert_eq!(up2.store_defaults().max_key_bytes, 256);
    assert_eq!(up2.store_defaults().max_total_bytes, Some(4 << 30));
    assert_eq!(
        (
            up2.limits.max_concurrent_requests,
            up2.limits.max_connections
        ),
        (7, 8)
    );
    assert_eq!(up2.limits.header_timeout, Duration::from_millis(250));
    assert_eq!(up2.limits.keep_alive_timeout, Duration::from_secs(2));
    assert_eq!(up2.limits.http1_max_buf_size, Some(ByteSize(8192)));
    assert_eq!(up2.limits.shutdown_timeout, Some(Duration::ZERO));
    assert_eq!(up2.cache(), None);

    for file in ["--from-file", "--file"] {
        assert_eq!(
            up(&[file, "x/spin.toml"]).application(),
            Source::Path("x/spin.toml".into())
        );
    }
    for (flag, value) in [
        ("-f", "r.test/store:v1"),
        ("--from-registry", "r.test/store:v1"),
        ("--from-registry", "acme/store"),
    ] {
        let up = up(&[flag, value, "-k", "--cache-dir", "c", "--offline"]);
        let reference = Reference::parse(value).unwrap();
        assert_eq!(up.application(), Source::Registry(reference));
        let registry = up.pull_options(up.cache());
        assert!(registry.insecure && registry.offline);
        assert_eq!(registry.cache_dir, Some(PathBuf::from("c")));
    }
    for quiet in ["--quiet", "--sh", "--shush"] {
        assert!(up(&[quiet]).logs.options().quiet);
    }
    assert_eq!(
        up(&["--listen", "localhost:0"]).listen.address,
        "127.0.0.1:0".parse().unwrap()
    );
    assert_eq!(
        up(&["--listen", "[::]:80"]).listen.address,
        "[::]:80".parse().unwrap()
    );
}

#[test]
fn help_and_version_are_no_errors() {
    for (arguments, part) in [
        (["spindrift", "--version"], env!("CARGO_PKG_VERSION")),
        (["spindrift", "--help"], "up"),
    ] {
        let answer = parse(arguments).unwrap_err();
        assert_eq!(answer.exit_code(), 0);
        assert!(answer.to_string().contains(part), "{answer}");
    }
    let help = parse(["spindrift", "up", "--help"]).unwrap_err();
    assert_eq!(help.exit_code(), 0);
    for hidden in ["--log-dir", "--from-file", "stray", "concurrent-reuse"] {
        assert!(!help.to_string().contains(hidden), "{hidden}");
    }
    for command in ["status", "recover"] {
        let help = parse(["spindrift", command, "--help"]).unwrap_err();
        assert_eq!(help.exit_code(), 0);
        assert!(help.to_string().contains("--peer-tls-cert"), "{help}");
    }
    assert_eq!(parse(["spindrift"]).unwrap_err().exit_code(), 2);
    assert_eq!(parse(["spindrift", "down"]).unwrap_err().exit_code(), 2);
}
