//! Stores of type "replicated", and what they say of the cluster that they share.

use std::time::Duration;

use spindrift_replication::{ClusterToken, PeerTlsFiles, ReplicationOptions};

use super::{defaults, read};
use crate::runtime_config::{
    ReadConsistency, RuntimeConfig, RuntimeConfigError, StoreConfig, StoreKind, keys,
};

/// The options that a file leads to, over the defaults.
fn options(config: &RuntimeConfig) -> ReplicationOptions {
    let mut options = ReplicationOptions::default();
    config.replication.apply_to(&mut options).unwrap();
    options
}

/// As [`read`], where the command line says `--replicated`.
fn read_replicated(text: &str) -> Result<RuntimeConfig, RuntimeConfigError> {
    let defaults = StoreConfig {
        kind: StoreKind::Replicated,
        ..defaults()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    RuntimeConfig::load(Some(file.path()), &defaults)
}

#[test]
fn a_replicated_store_has_the_options_of_a_store_and_those_of_the_cluster() {
    let config = read(
        "[key_value_store.default]\n\
         type = \"replicated\"\n\
         max_key_size = 64\n\
         max_value_size = \"2MiB\"\n\
         max_total_size = \"5GB\"\n\
         read_consistency = \"stale\"\n\
         voters = 5\n\
         read_lease = false\n\
         election_timeout = 1\n\
         heartbeat_interval = \"80ms\"\n\
         snapshot_after = 500\n\
         max_log_bytes = 1_048_576\n",
    )
    .unwrap();
    let store = StoreConfig {
        kind: StoreKind::Replicated,
        max_key_bytes: 64,
        max_value_bytes: 2 << 20,
        max_total_bytes: Some(5_000_000_000),
        read_consistency: ReadConsistency::Stale,
    };
    assert_eq!(config.key_value_stores["default"], store);
    assert!(config.is_replicated());
    let expected = ReplicationOptions {
        voters: 5,
        read_lease: false,
        election_timeout: Duration::from_secs(1),
        heartbeat_interval: Duration::from_millis(80),
        snapshot_after: 500,
        max_log_bytes: 1 << 20,
        ..ReplicationOptions::default()
    };
    assert_eq!(options(&config), expected);
}

/// SpinKube writes every option as a string.
#[test]
fn options_may_be_strings() {
    let config = read(
        "[key_value_store.default]\n\
         type = \"replicated\"\n\
         voters = \"5\"\n\
         read_lease = \"off\"\n\
         election_timeout = \"300ms\"\n\
         heartbeat_interval = \"1\"\n\
         snapshot_after = \"500\"\n\
         max_log_bytes = \"16MiB\"\n\
         evict_after = \"60\"\n\
         leader_wait = \"2s\"\n\
         peer_listen = \"0.0.0.0:7007\"\n\
         cluster_token = \"correct-horse-battery\"\n\
         peer_tls_cert = \"/tls/tls.crt\"\n\
         peer_tls_key = \"/tls/tls.key\"\n\
         peer_tls_ca = \"/tls/ca.crt\"\n",
    )
    .unwrap();
    let expected = ReplicationOptions {
        voters: 5,
        read_lease: false,
        election_timeout: Duration::from_millis(300),
        heartbeat_interval: Duration::from_secs(1),
        snapshot_after: 500,
        max_log_bytes: 16 << 20,
        evict_after: Duration::from_secs(60),
        leader_wait: Duration::from_secs(2),
        peer_listen: "0.0.0.0:7007".parse().unwrap(),
        cluster_token: Some(token()),
        peer_tls: Some(PeerTlsFiles {
            cert: "/tls/tls.crt".into(),
            key: "/tls/tls.key".into(),
            ca: "/tls/ca.crt".into(),
        }),
        ..ReplicationOptions::default()
    };
    assert_eq!(options(&config), expected);
}

#[test]
fn what_the_file_leaves_out_stays() {
    let config =
        read("[key_value_store.default]\ntype = \"replicated\"\nvoters = \"1\"\n").unwrap();
    let mut options = ReplicationOptions {
        voters: 7,
        snapshot_after: 77,
        ..ReplicationOptions::default()
    };
    config.replication.apply_to(&mut options).unwrap();
    assert_eq!((options.voters, options.snapshot_after), (1, 77));
    assert_eq!(
        config.replication.place_of("voters").as_deref(),
        Some("rc.toml:3")
    );
    assert_eq!(config.replication.place_of("snapshot_after"), None);
}

/// The options that name a file.
const FILES: [&str; 4] = [
    "cluster_token_file",
    "peer_tls_cert",
    "peer_tls_key",
    "peer_tls_ca",
];

#[test]
fn every_option_is_read_and_each_in_its_own_form() {
    for option in keys::CLUSTER.map(|key| key.name) {
        let table = |value: &str| {
            format!("[key_value_store.a]\ntype = \"replicated\"\n{option} = {value}\n")
        };
        let error = read(&table("[]")).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("rc.toml:3: `{option}` must be ")),
            "{error}"
        );
        if FILES.contains(&option) {
            let error = read(&table("\"\"")).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("rc.toml:3: `{option}` is empty; name a file")
            );
            continue;
        }
        let error = read(&table("\"x\"")).unwrap_err().to_string();
        let fault = if option == "cluster_token" {
            "it has 1 bytes, and must have 16 to 2048"
        } else {
            "\"x\" is n"
        };
        assert!(
            error.starts_with(&format!("rc.toml:3: `{option}`: {fault}")),
            "{error}"
        );
        if !["read_lease", "peer_listen", "cluster_token"].contains(&option) {
            let error = read(&table("-1")).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("rc.toml:3: `{option}`: -1 is not ")),
                "{error}"
            );
        }
    }
}

#[test]
fn stores_agree_on_the_cluster() {
    let config = read(
        "[key_value_store.a]\ntype = \"replicated\"\nvoters = 5\nmax_log_bytes = \"1MiB\"\n\
         [key_value_store.b]\ntype = \"replicated\"\nvoters = \"5\"\nsnapshot_after = 9\n",
    )
    .unwrap();
    let options = options(&config);
    assert_eq!((options.voters, options.snapshot_after), (5, 9));
    assert_eq!(options.max_log_bytes, 1 << 20);

    // Whatever the order of the labels is, the later line is at fault.
    for (first, second) in [("a", "b"), ("b", "a")] {
        let error = read(&format!(
            "[key_value_store.{first}]\ntype = \"replicated\"\nvoters = 5\n\
             [key_value_store.{second}]\ntype = \"replicated\"\nvoters = \"3\"\n"
        ))
        .unwrap_err()
        .to_string();
        let expected = format!(
            "rc.toml:6: `voters` is 3 in [key_value_store.{second}], and 5 in [key_value_store.{first}] on line 3; "
        );
        assert!(error.starts_with(&expected), "{error}");
    }
}

fn token() -> ClusterToken {
    ClusterToken::parse(b"correct-horse-battery").unwrap()
}

#[test]
fn two_secrets_are_two_lines() {
    let table = "[key_value_store.default]\ntype = \"replicated\"\ncluster_token = ";
    let both = "correct-horse-battery\nbattery-horse-correct";
    let expected = ClusterToken::parse(both.as_bytes()).unwrap();
    for written in [format!("{both:?}"), format!("\"\"\"\n{both}\n\"\"\"")] {
        let config = read(&format!("{table}{written}\n")).unwrap();
        assert_eq!(options(&config).cluster_token.as_ref(), Some(&expected));
    }
    let third = format!("{both}\nstaple-battery-horse");
    let error = read(&format!("{table}{third:?}\n"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("rc.toml:3: `cluster_token`: it has 3 lines"),
        "{error}"
    );
}

#[test]
fn a_secret_is_said_once_and_never_shown() {
    let table = |lines: &str| format!("[key_value_store.default]\ntype = \"replicated\"\n{lines}");
    let token = "cluster_token = \" correct-horse-battery \"\n";
    let config = read(&table(token)).unwrap();
    assert_eq!(options(&config).cluster_token, Some(self::token()));
    let shown = format!("{config:?}");
    assert!(
        shown.contains("cluster_token") && !shown.contains("horse"),
        "{shown}"
    );
    assert!(!shown.contains("104, 111, 114"), "{shown}");

    for (first, second) in [
        (token, "cluster_token_file = \"/token\"\n"),
        ("cluster_token_file = \"/token\"\n", token),
    ] {
        let error = read(&table(&format!("{first}{second}")))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("rc.toml:4: `cluster_token` and"),
            "{error}"
        );
        assert!(
            error.contains("line 3") && !error.contains("horse"),
            "{error}"
        );
    }
    for lines in [
        "cluster_token = \"hunter2\"\n",
        "cluster_token = \"correct horse battery\"\n",
    ] {
        let error = read(&table(lines)).unwrap_err().to_string();
        assert!(error.starts_with("rc.toml:3: `cluster_token`: "), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("horse"),
            "{error}"
        );
    }
    let error = read(&format!(
        "[key_value_store.a]\ntype = \"replicated\"\n{token}\
         [key_value_store.b]\ntype = \"replicated\"\ncluster_token = \"battery-horse-correct\"\n"
    ))
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("rc.toml:6: `cluster_token` is one secret in "),
        "{error}"
    );
    assert!(!error.contains("horse"), "{error}");
}

#[test]
fn a_file_with_the_secret_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = format!("cluster_token_file = {:?}\n", file.path());
    let text = format!("[key_value_store.default]\ntype = \"replicated\"\n{line}");
    std::fs::write(file.path(), "correct-horse-battery\n").unwrap();
    let config = read(&text).unwrap();
    assert!(config.replication.has_token());
    let token = ClusterToken::read(file.path()).unwrap();
    assert_eq!(options(&config).cluster_token, Some(token));
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let error = config
        .replication
        .apply_to(&mut ReplicationOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("rc.toml:3: `cluster_token_file`: the file "),
        "{error}"
    );
    assert!(
        error.contains("16 to 2048") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn the_files_of_tls_are_named_together() {
    let error = read(
        "[key_value_store.a]\ntype = \"replicated\"\npeer_tls_cert = \"c\"\n\
         [key_value_store.b]\ntype = \"replicated\"\npeer_tls_ca = \"a\"\n",
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("rc.toml:3: `peer_tls_key` is missing"),
        "{error}"
    );
}

#[test]
fn local_and_replicated_stores_do_not_go_together() {
    for (first, second) in [("local", "replicated"), ("replicated", "local")] {
        let error = read(&format!(
            "[key_value_store.b]\ntype = \"{first}\"\n\n[key_value_store.a]\ntype = \"{second}\"\n"
        ))
        .unwrap_err()
        .to_string();
        let expected = format!(
            "rc.toml:5: [key_value_store.a] is of type \"{second}\", and [key_value_store.b] on line 2 is of type \"{first}\"; "
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = read_replicated("# none\n[key_value_store.cache]\ntype = \"local\"\n")
        .unwrap_err()
        .to_string();
    for part in [":3: ", "[key_value_store.cache]", "--replicated"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_default_store_that_is_not_named_is_what_the_others_are() {
    let config = read("[key_value_store.cache]\ntype = \"replicated\"\n").unwrap();
    assert_eq!(
        config.key_value_stores["default"].kind,
        StoreKind::Replicated
    );
    let config = read("[key_value_store.cache]\ntype = \"local\"\n").unwrap();
    assert_eq!(config.key_value_stores["default"].kind, StoreKind::Local);
    assert!(!config.is_replicated());
    let config = read_replicated("").unwrap();
    assert!(config.is_replicated());
    let config = read_replicated("[key_value_store.cache]\ntype = \"replicated\"\n").unwrap();
    assert!(config.is_replicated());
}

#[test]
fn a_local_store_has_no_cluster() {
    for option in keys::CLUSTER.map(|key| key.name) {
        let error = read(&format!(
            "[key_value_store.a]\ntype = \"local\"\n{option} = 3\n"
        ))
        .unwrap_err()
        .to_string();
        let expected = format!("rc.toml:3: `{option}` is for a store of type \"replicated\"");
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = read("[key_value_store.a]\ntype = \"replicated\"\nvotes = 3\n")
        .unwrap_err()
        .to_string();
    for option in keys::CLUSTER.map(|key| key.name) {
        assert!(error.contains(option), "{error} lacks {option}");
    }
    let error = read("[key_value_store.a]\ntype = \"local\"\nvotes = 3\n")
        .unwrap_err()
        .to_string();
    assert!(!error.contains("voters"), "{error}");
}

#[test]
fn the_lines_to_add_fit_those_that_are_there() {
    let text = "[key_value_store.cache]\ntype = \"replicated\"\n";
    let error = read(text)
        .unwrap()
        .stores_for([("put", "sessions")])
        .unwrap_err()
        .to_string();
    let lines = error.split_once("\n\n").unwrap().1;
    let config = read(&format!("{text}{lines}")).unwrap();
    assert!(config.stores_for([("put", "sessions")]).is_ok(), "{lines}");
}
