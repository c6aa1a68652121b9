//! What the flags of replication add up to, alone and with a runtime configuration, and the commands that ask a node.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use spindrift_discovery::kubernetes::InCluster;
use spindrift_replication::{ClusterToken, PeerTlsFiles, ReplicationOptions, Version};

use super::parsing::up;
use crate::cli::command::parse_without_environment;
use crate::cli::discover::Source;
use crate::cli::{Cli, Command};
use crate::runtime_config::{ReadConsistency, RuntimeConfig, StoreKind};

/// What `spindrift up` with these flags and this runtime configuration tells replication, or why it does not start.
fn options(flags: &[&str], config: &str) -> Result<Option<ReplicationOptions>, String> {
    let up = up(flags);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let path = (!config.is_empty()).then(|| file.path());
    let config =
        RuntimeConfig::load(path, &up.store_defaults()).map_err(|error| error.to_string())?;
    up.replication
        .options(&config)
        .map_err(|error| format!("{error:#}"))
}

fn pod() -> InCluster {
    InCluster {
        api_server: "https://10.0.0.1:443".into(),
        service_account: PathBuf::from("/var/run/secrets"),
        pod: "kv-0".to_owned().into(),
    }
}

/// Where the flags have the other nodes known from, outside of a pod or in one.
fn source(flags: &[&str], in_pod: bool) -> Result<Source, String> {
    let source = up(flags).replication.source(in_pod.then(pod));
    source.map_err(|error| error.to_string())
}

fn accepted(flags: &[&str], config: &str) -> ReplicationOptions {
    options(flags, config)
        .unwrap_or_else(|error| panic!("{flags:?}: {error}"))
        .unwrap_or_else(|| panic!("{flags:?}: not replicated"))
}

const REPLICATED: &str = "[key_value_store.default]\ntype = \"replicated\"\n";

/// Every flag that needs a replicated store, with a value.
const FLAGS: &[(&str, &str)] = &[
    ("--peer-listen", "127.0.0.1:7009"),
    ("--advertise", "node-9:7000"),
    ("--join", "node-1:7000"),
    ("--voters", "5"),
    ("--read-lease", "false"),
    ("--election-timeout", "1s"),
    ("--heartbeat-interval", "100ms"),
    ("--snapshot-after", "500"),
    ("--max-log-bytes", "1MiB"),
    ("--evict-after", "60s"),
    ("--leader-wait", "2s"),
    ("--machine", "rack-7"),
    ("--peer-protocol-max", "4"),
];

#[test]
fn without_a_replicated_store_there_is_no_replication() {
    assert_eq!(options(&[], ""), Ok(None));
    assert_eq!(
        options(&[], "[key_value_store.default]\ntype = \"local\"\n"),
        Ok(None)
    );
    // How fresh reads are is a question to any store.
    assert_eq!(options(&["--read-consistency", "stale"], ""), Ok(None));
}

#[test]
fn flags_of_a_cluster_need_a_replicated_store() {
    let tls = "--peer-tls-cert c.pem --peer-tls-key k.pem --peer-tls-ca ca.pem";
    let tls: Vec<&str> = tls.split_whitespace().collect();
    let mut cases: Vec<Vec<&str>> = FLAGS
        .iter()
        .map(|(flag, value)| vec![*flag, *value])
        .collect();
    cases.extend([
        vec!["--bootstrap"],
        vec!["--cluster-token-file", "token"],
        tls,
    ]);
    for flags in cases {
        let error = options(&flags, "").unwrap_err();
        assert!(
            error.starts_with(&format!("{} (or SPINDRIFT_", flags[0])),
            "{flags:?}: {error}"
        );
        for part in ["--replicated", "type = \"replicated\""] {
            assert!(error.contains(part), "{flags:?}: {error}");
        }
    }
    let error = options(&["--read-lease", "true"], "").unwrap_err();
    assert!(error.contains("SPINDRIFT_READ_LEASE"), "{error}");
}

#[test]
fn the_defaults_are_those_of_replication() {
    let expected = ReplicationOptions::default();
    assert_eq!(accepted(&["--replicated", "--bootstrap"], ""), expected);
    assert_eq!(accepted(&["--bootstrap"], REPLICATED), expected);
    assert_eq!(
        accepted(&["--replicated", "--bootstrap"], REPLICATED),
        expected
    );
    assert_eq!(
        up(&["--replicated"]).store_defaults().kind,
        StoreKind::Replicated
    );
}

/// The help cannot take its defaults from where they are, since a flag that is not given must be told from one that is.
#[test]
fn the_help_names_the_defaults() {
    let command = Cli::command();
    let up = command.find_subcommand("up").unwrap();
    let defaults = ReplicationOptions::default();
    for (flag, default) in [
        ("peer-listen", defaults.peer_listen.to_string()),
        ("voters", defaults.voters.to_string()),
        ("read-lease", defaults.read_lease.to_string()),
        (
            "election-timeout",
            format!("{:?}", defaults.election_timeout),
        ),
        (
            "heartbeat-interval",
            format!("{:?}", defaults.heartbeat_interval),
        ),
        ("snapshot-after", defaults.snapshot_after.to_string()),
        (
            "max-log-bytes",
            spindrift_values::ByteSize(defaults.max_log_bytes).to_string(),
        ),
        ("evict-after", format!("{:?}", defaults.evict_after)),
        ("leader-wait", format!("{:?}", defaults.leader_wait)),
    ] {
        let arg = up
            .get_arguments()
            .find(|arg| arg.get_long() == Some(flag))
            .unwrap();
        let about = arg.get_help().unwrap().to_string();
        assert!(
            about.ends_with(&format!("[default: {default}]")),
            "{flag}: {about}"
        );
    }
}

#[test]
fn every_flag_arrives() {
    let mut flags = vec!["--replicated", "--bootstrap"];
    flags.extend(FLAGS.iter().flat_map(|(flag, value)| [*flag, *value]));
    flags.extend(["--join", "node-2:7000,[::1]:7000"]);
    let mut token = tempfile::NamedTempFile::new().unwrap();
    token.write_all(b" correct-horse-battery\n").unwrap();
    flags.extend(["--cluster-token-file", token.path().to_str().unwrap()]);
    flags.extend("--peer-tls-cert c.pem --peer-tls-key k.pem --peer-tls-ca ca.pem".split(' '));
    let expected = ReplicationOptions {
        voters: 5,
        read_lease: false,
        election_timeout: Duration::from_secs(1),
        heartbeat_interval: Duration::from_millis(100),
        snapshot_after: 500,
        max_log_bytes: 1 << 20,
        peer_listen: "127.0.0.1:7009".parse().unwrap(),
        advertise: Some("node-9:7000".into()),
        cluster_token: ClusterToken::read(token.path()).ok(),
        peer_tls: Some(PeerTlsFiles {
            cert: PathBuf::from("c.pem"),
            key: PathBuf::from("k.pem"),
            ca: PathBuf::from("ca.pem"),
        }),
        evict_after: Duration::from_secs(60),
        leader_wait: Duration::from_secs(2),
        machine: Some("rack-7".into()),
        peer_protocol_max: Some(Version(4)),
    };
    assert_eq!(accepted(&flags, ""), expected);
    let listed = Source::Flags {
        join: ["node-1:7000", "node-2:7000", "[::1]:7000"]
            .map(str::to_owned)
            .to_vec(),
        bootstrap: true,
    };
    assert_eq!(source(&flags, false), Ok(listed));

    for (flags, lease) in [
        (&["--read-lease"][..], true),
        (&["--read-lease=off"], false),
        (&["--read-lease", "on"], true),
    ] {
        assert_eq!(up(flags).replication.read_lease, Some(lease), "{flags:?}");
    }
    assert_eq!(
        up(&["--read-consistency", "stale"])
            .store_defaults()
            .read_consistency,
        ReadConsistency::Stale
    );
}

/// As with the limits of stores.
#[test]
fn the_runtime_configuration_wins_over_flags() {
    let config = format!("{REPLICATED}voters = \"5\"\nelection_timeout = \"400ms\"\n");
    let flags = ["--bootstrap", "--voters", "7", "--snapshot-after", "9"];
    let options = accepted(&flags, &config);
    assert_eq!((options.voters, options.snapshot_after), (5, 9));
    assert_eq!(options.election_timeout, Duration::from_millis(400));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    for (lines, line, part) in [
        ("voters = 4\n", 3, "voters is 4"),
        ("\nelection_timeout = 300\n", 4, "election_timeout is 300s"),
        (
            "heartbeat_interval = \"200ms\"\n",
            3,
            "heartbeat_interval is 200ms",
        ),
        (
            "election_timeout = \"90ms\"\n",
            3,
            "election_timeout, which is 90ms",
        ),
        ("snapshot_after = 0\n", 3, "snapshot_after is 0"),
        ("max_log_bytes = 1\n", 3, "max_log_bytes is 1"),
        ("evict_after = \"500ms\"\n", 3, "evict_after is 500ms"),
        ("evict_after = \"2000000s\"\n", 3, "evict_after is 2000000s"),
        ("leader_wait = \"2000000s\"\n", 3, "leader_wait is 2000000s"),
    ] {
        let error = options(&["--bootstrap"], &format!("{REPLICATED}{lines}")).unwrap_err();
        assert!(
            error.contains(&format!(":{line}: ")) && error.contains(part),
            "{lines}: {error}"
        );
    }
    // A flag has no line.
    let error = options(&["--bootstrap", "--voters", "4"], REPLICATED).unwrap_err();
    assert!(error.starts_with("voters is 4"), "{error}");
}

#[test]
fn nodes_are_known_from_the_flags_or_else_from_kubernetes() {
    assert_eq!(
        source(&["--replicated"], true),
        Ok(Source::Kubernetes(pod()))
    );
    for in_pod in [false, true] {
        let bootstrap = Source::Flags {
            join: Vec::new(),
            bootstrap: true,
        };
        assert_eq!(
            source(&["--replicated", "--bootstrap"], in_pod),
            Ok(bootstrap)
        );
        let join = Source::Flags {
            join: vec!["node-1:7000".into()],
            bootstrap: false,
        };
        assert_eq!(source(&["--join", "node-1:7000"], in_pod), Ok(join));
    }
    let error = source(&["--replicated"], false).unwrap_err();
    for part in ["--join", "--bootstrap", "Kubernetes", "service account"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_token_of_the_runtime_configuration_wins_over_that_of_a_flag() {
    let flags = ["--bootstrap", "--cluster-token-file", "/no/such/token"];
    let config = format!("{REPLICATED}cluster_token = \"correct-horse-battery\\n\"\n");
    let token = ClusterToken::parse(b"correct-horse-battery").unwrap();
    assert_eq!(accepted(&flags, &config).cluster_token, Some(token));
    let config = format!("{REPLICATED}cluster_token_file = \"/not/there/either\"\n");
    let error = options(&flags, &config).unwrap_err();
    assert!(
        error.contains(":3: `cluster_token_file`: the file /not/there/either cannot be read"),
        "{error}"
    );
}

#[test]
fn a_token_is_read_and_never_shown() {
    let flags = ["--replicated", "--bootstrap", "--cluster-token-file"];
    let with = |path: &str| options(&[&flags[..], &[path]].concat(), "");
    let error = with("/no/such/token").unwrap_err();
    assert!(
        error.contains("/no/such/token") && error.contains("No such file"),
        "{error}"
    );
    let mut short = tempfile::NamedTempFile::new().unwrap();
    short.write_all(b"  hunter2          \n").unwrap();
    let error = with(short.path().to_str().unwrap()).unwrap_err();
    assert!(
        error.contains("16") && !error.contains("hunter2"),
        "{error}"
    );
}

fn command(arguments: &[&str]) -> Command {
    let cli: Result<Cli, clap::Error> =
        parse_without_environment(["spindrift"].iter().chain(arguments));
    cli.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
        .command
}

#[test]
fn status_asks_the_node_of_this_machine_unless_told_another() {
    let Command::Status(status) = command(&["status"]) else {
        panic!("no status");
    };
    assert_eq!(
        (status.node.as_str(), status.json),
        ("127.0.0.1:7000", false)
    );
    // It is the node that `up` is without flags.
    let default = ReplicationOptions::default().peer_listen;
    assert_eq!(status.node, default.to_string());
    let Command::Status(status) = command(&["status", "--node", "node-2:7001", "--json"]) else {
        panic!("no status");
    };
    assert_eq!((status.node.as_str(), status.json), ("node-2:7001", true));
    assert_eq!(status.credentials.tls(), None);
}

#[test]
fn recovering_needs_a_node_and_a_decision() {
    let Command::Recover(recover) = command(&["recover", "--from", "node-2:7000"]) else {
        panic!("no recover");
    };
    assert!(!recover.accept_data_loss);
    let Command::Recover(recover) =
        command(&["recover", "--from", "node-2:7000", "--accept-data-loss"])
    else {
        panic!("no recover");
    };
    assert!(recover.accept_data_loss);
    for (arguments, part) in [
        (&["recover"][..], "--from"),
        (
            &["recover", "--from", "node-2"],
            "\"node-2\" is not the address",
        ),
        (&["status", "--node", "7000"], "\"7000\" is not the address"),
        (&["status", "--peer-tls-ca", "ca.pem"], "--peer-tls-cert"),
        (&["status", "node-1:7000"], "unexpected argument"),
    ] {
        let error = parse_without_environment(["spindrift"].iter().chain(arguments)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
        assert!(error.to_string().contains(part), "{arguments:?}: {error}");
    }
}
