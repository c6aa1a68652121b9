//! Which options make sense, and what is said of those that do not.

use super::*;

fn check(options: &ReplicationOptions) -> Result<(), OptionsError> {
    options.validate()?;
    options.check_advertised()
}

fn refusal(change: impl FnOnce(&mut ReplicationOptions)) -> String {
    let mut options = ReplicationOptions::default();
    change(&mut options);
    match check(&options) {
        Ok(()) => panic!("accepted: {options:?}"),
        Err(error) => error.to_string(),
    }
}

fn accepted(change: impl FnOnce(&mut ReplicationOptions)) {
    let mut options = ReplicationOptions::default();
    change(&mut options);
    assert_eq!(check(&options), Ok(()), "{options:?}");
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn the_defaults_make_sense() {
    accepted(|_| {});
}

#[test]
fn voters_are_odd_and_few() {
    for voters in [1, 3, 5, 7, 9] {
        accepted(|o| o.voters = voters);
    }
    for voters in [0, 2, 4, 10, 11, usize::MAX] {
        let error = refusal(|o| o.voters = voters);
        assert!(
            error.starts_with(&format!("voters is {voters}; it must be odd, from 1 to 9")),
            "{error}"
        );
    }
}

#[test]
fn times_fit_together() {
    accepted(|o| o.heartbeat_interval = millis(149));
    let error = refusal(|o| o.heartbeat_interval = millis(150));
    assert!(
        error.contains("heartbeat_interval is 150ms") && error.contains("which is 300ms"),
        "{error}"
    );
    let error = refusal(|o| o.election_timeout = Duration::from_secs(300));
    assert!(
        error.contains("election_timeout is 300s") && error.contains("300ms"),
        "{error}"
    );
    let error = refusal(|o| o.evict_after = millis(599));
    assert!(
        error.contains("evict_after is 599ms") && error.contains("which is 300ms"),
        "{error}"
    );
    accepted(|o| o.evict_after = millis(600));
    accepted(|o| o.leader_wait = Duration::ZERO);
    for (option, change) in [
        (
            "evict_after",
            (|o| o.evict_after = Duration::MAX) as fn(&mut ReplicationOptions),
        ),
        ("leader_wait", |o| o.leader_wait = Duration::MAX),
    ] {
        let error = refusal(change);
        assert!(
            error.starts_with(option) && error.contains("at most"),
            "{error}"
        );
    }
}

#[test]
fn a_clock_of_milliseconds_gets_whole_ones() {
    for duration in [
        Duration::ZERO,
        Duration::from_micros(1500),
        Duration::from_nanos(1),
    ] {
        for (option, change) in [
            (
                "election_timeout",
                (|o, d| o.election_timeout = d) as fn(&mut ReplicationOptions, Duration),
            ),
            ("heartbeat_interval", |o, d| o.heartbeat_interval = d),
        ] {
            let error = refusal(|o| change(o, duration));
            assert!(
                error.starts_with(option) && error.contains("whole milliseconds"),
                "{error}"
            );
        }
    }
}

#[test]
fn the_log_has_room() {
    assert!(refusal(|o| o.snapshot_after = 0).contains("snapshot_after is 0"));
    assert!(refusal(|o| o.max_log_bytes = 65_535).contains("max_log_bytes is 65535"));
    accepted(|o| o.max_log_bytes = MIN_LOG_BYTES);
}

#[test]
fn who_listens_everywhere_says_where_it_is() {
    for listen in ["0.0.0.0:7000", "[::]:7000"] {
        let listen = listen.parse().unwrap();
        let error = refusal(|o| o.peer_listen = listen);
        assert!(
            error.contains(&listen.to_string()) && error.contains("--advertise HOST:7000"),
            "{error}"
        );
        accepted(|o| {
            o.peer_listen = listen;
            o.advertise = Some("node-1.example.com:7000".into());
        });
    }
    let error = refusal(|o| o.advertise = Some("node-1".into()));
    assert!(
        error.starts_with("--advertise") && error.contains("\"node-1\""),
        "{error}"
    );
}

#[test]
fn the_real_port_is_advertised() {
    let bound = "127.0.0.1:41234".parse().unwrap();
    let options = ReplicationOptions::default();
    assert_eq!(options.advertised(bound), "127.0.0.1:41234");
    let named = ReplicationOptions {
        advertise: Some("node-1:7000".into()),
        ..options
    };
    assert_eq!(named.advertised(bound), "node-1:7000");
}

#[test]
fn the_token_is_not_shown() {
    let options = ReplicationOptions {
        cluster_token: ClusterToken::parse(b"correct-horse-battery").ok(),
        ..ReplicationOptions::default()
    };
    let shown = format!("{options:?}");
    assert!(shown.contains("cluster_token: Some(") && !shown.contains("horse"));
    assert!(!shown.contains("104, 111, 114"));
}

#[test]
fn a_machine_has_a_short_name_without_spaces() {
    for name in ["m", "rack-1.zone-b:7"] {
        accepted(|o| o.machine = Some(name.into()));
    }
    accepted(|o| o.machine = Some("m".repeat(MAX_MACHINE_BYTES)));
    let long = "m".repeat(MAX_MACHINE_BYTES + 1);
    for name in ["", "rack 1", "r\u{e4}ck", "a\nb", &long] {
        let error = refusal(|o| o.machine = Some(name.into()));
        assert!(error.starts_with("--machine is "), "{error}");
    }
}

#[test]
fn a_node_speaks_no_version_that_this_program_does_not_know() {
    for version in [4, 5] {
        accepted(|o| o.peer_protocol_max = Some(Version(version)));
    }
    for version in [0, 3, 6, u32::MAX] {
        let error = refusal(|o| o.peer_protocol_max = Some(Version(version)));
        assert!(
            error.starts_with("--peer-protocol-max: this program speaks versions 4 to 5"),
            "{error}"
        );
    }
}
