//! What the value of a flag may not be, in the words of the refusal.

use super::parsing::refusal;

#[test]
fn values_are_refused_in_words() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--from", "acme/store:v1"],
            &[
                "--from",
                "no such file or folder",
                "docker.io/acme/store:v1",
            ],
        ),
        (
            &["--from-registry", "Acme"],
            &["--from-registry", "in lower case"],
        ),
        (
            &["--from-registry", "r.test/a", "--from-file", "b"],
            &["cannot be used with"],
        ),
        (
            &["--from", "r.test/a", "--build"],
            &["--build is for a spin.toml"],
        ),
        (
            &["--from-registry", "a", "--build"],
            &["--build is for a spin.toml"],
        ),
        (&["--from", "a.wasm"], &["--from", "has no routes"]),
        (
            &["--from", "a", "--from-file", "b"],
            &["cannot be used with"],
        ),
        (
            &["--listen", "3000"],
            &["--listen", "an address and a port"],
        ),
        (
            &["--listen", "127.0.0.1:99999"],
            &["--listen", "an address and a port"],
        ),
        (&["--tls-cert", "c.pem"], &["--tls-key"]),
        (&["--tls-key", "k.pem"], &["--tls-cert"]),
        (&["--format", "yaml"], &["--format", "plain, json"]),
        (&["--env", "A"], &["--env", "KEY=VALUE"]),
        (&["--env", "=1"], &["--env", "KEY=VALUE"]),
        (&["--variable", "a"], &["--variable", "KEY=@FILE"]),
        (&["--variable", "@vars.yaml"], &["--variable", "@FILE.toml"]),
        (
            &["--max-instance-reuse-count", "0"],
            &["--max-instance-reuse-count", "at least 1"],
        ),
        (
            &["--max-instance-reuse-count", "8..2"],
            &["--max-instance-reuse-count", "is empty"],
        ),
        (
            &["--max-instance-reuse-count", "many"],
            &["--max-instance-reuse-count", "\"many\""],
        ),
        (
            &["--max-instance-concurrent-reuse-count", "16"],
            &[
                "--max-instance-concurrent-reuse-count",
                "one request at a time",
            ],
        ),
        (
            &["--max-instance-concurrent-reuse-count", "1..8"],
            &["one request at a time"],
        ),
        (
            &["--idle-instance-timeout", "1m"],
            &["--idle-instance-timeout", "\"1m\" is not a duration"],
        ),
        (
            &["--request-timeout", "0"],
            &["--request-timeout", "longer than nothing"],
        ),
        (
            &["--max-instance-memory", "1KiB"],
            &["--max-instance-memory", "between 64KiB and 4GiB"],
        ),
        (
            &["--max-instance-memory", "5GiB"],
            &["--max-instance-memory", "between 64KiB and 4GiB"],
        ),
        (
            &["--max-request-body", "big"],
            &["--max-request-body", "\"big\" is not a size"],
        ),
        (
            &["--max-value-size", "0"],
            &["--max-value-size", "at least 1 byte"],
        ),
        (
            &["--max-key-size", "0"],
            &["--max-key-size", "at least 1 byte"],
        ),
        (
            &["--max-total-size", "0"],
            &["--max-total-size", "at least 1 byte"],
        ),
        (
            &["--max-concurrent-requests", "0"],
            &["--max-concurrent-requests", "at least 1"],
        ),
        (
            &["--max-connections", "x"],
            &["--max-connections", "\"x\" is not a whole number"],
        ),
        (
            &["--header-timeout", "0s"],
            &["--header-timeout", "longer than nothing"],
        ),
        (
            &["--keep-alive-timeout", "0"],
            &["--keep-alive-timeout", "longer than nothing"],
        ),
        (
            &["--http1-max-buf-size", "4096"],
            &["--http1-max-buf-size", "less than 8192"],
        ),
        (
            &["--shutdown-timeout", "soon"],
            &["--shutdown-timeout", "\"soon\""],
        ),
        (&["--workers", "0"], &["--workers"]),
        (&["--log-format", "xml"], &["--log-format", "text, json"]),
        (
            &["--log-level", "loud"],
            &["--log-level", "\"loud\" is no log level"],
        ),
        (
            &["--read-consistency", "eventual"],
            &["--read-consistency", "linearizable, stale"],
        ),
        (
            &["--peer-listen", "7000"],
            &["--peer-listen", "an address and a port"],
        ),
        (
            &["--advertise", "node-1"],
            &["--advertise", "\"node-1\" is not the address of a node"],
        ),
        (
            &["--advertise", "0.0.0.0:7000"],
            &["--advertise", "every address"],
        ),
        (
            &["--join", "node-1:7000,node-2"],
            &["--join", "\"node-2\" is not the address of a node"],
        ),
        (&["--voters", "0"], &["--voters", "at least 1"]),
        (
            &["--voters", "three"],
            &["--voters", "\"three\" is not a whole number"],
        ),
        (
            &["--read-lease", "maybe"],
            &["--read-lease", "\"maybe\" is neither true nor false"],
        ),
        (
            &["--election-timeout", "0"],
            &["--election-timeout", "longer than nothing"],
        ),
        (
            &["--heartbeat-interval", "1m"],
            &["--heartbeat-interval", "\"1m\" is not a duration"],
        ),
        (
            &["--snapshot-after", "0"],
            &["--snapshot-after", "at least 1"],
        ),
        (
            &["--max-log-bytes", "0"],
            &["--max-log-bytes", "at least 1 byte"],
        ),
        (
            &["--evict-after", "0"],
            &["--evict-after", "longer than nothing"],
        ),
        (
            &["--leader-wait", "soon"],
            &["--leader-wait", "\"soon\" is not a duration"],
        ),
        (
            &["--peer-tls-cert", "c.pem"],
            &["--peer-tls-key", "--peer-tls-ca"],
        ),
        (
            &["--peer-tls-key", "k.pem", "--peer-tls-ca", "ca.pem"],
            &["--peer-tls-cert"],
        ),
        (
            &["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2"],
            &["cannot be used multiple times"],
        ),
    ];
    for (flags, parts) in cases {
        let error = refusal(flags);
        for part in *parts {
            assert!(error.contains(part), "{flags:?}: {error:?} lacks {part:?}");
        }
    }
}
