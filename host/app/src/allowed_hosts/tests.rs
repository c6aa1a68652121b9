//! Allowed hosts: what each entry allows, and what is wrong with those that are none.

use super::*;

fn allowed(entries: &[&str]) -> AllowedHosts {
    AllowedHosts::new(
        entries
            .iter()
            .map(|entry| {
                AllowedHost::parse(entry).unwrap_or_else(|fault| panic!("{entry}: {fault}"))
            })
            .collect(),
    )
}

/// A scheme, a host, a port, and whether an entry allows them.
type Question = (&'static str, &'static str, Option<u16>, bool);

#[test]
fn an_entry_allows_what_it_says() {
    let table: &[(&str, &[Question])] = &[
        (
            "http://example.com",
            &[
                ("http", "example.com", None, true),
                ("HTTP", "Example.COM", Some(80), true),
                ("http", "example.com", Some(81), false),
                ("https", "example.com", None, false),
                ("https", "example.com", Some(80), false),
                ("http", "a.example.com", None, false),
                ("http", "example.com.evil.test", None, false),
                ("http", "notexample.com", None, false),
            ],
        ),
        (
            "https://Example.com/",
            &[
                ("https", "example.com", Some(443), true),
                ("https", "example.com", Some(80), false),
            ],
        ),
        (
            " https://example.com:8443/ ",
            &[
                ("https", "example.com", Some(8443), true),
                ("https", "example.com", None, false),
            ],
        ),
        (
            "*://example.com:443",
            &[
                ("https", "example.com", None, true),
                ("x", "example.com", Some(443), true),
                ("x", "example.com", None, false),
            ],
        ),
        (
            "https://*.example.com",
            &[
                ("https", "a.example.com", None, true),
                ("https", "a.b.example.com", None, true),
                ("https", "example.com", None, false),
                ("https", ".example.com", None, false),
                ("https", "a.example.com.evil.test", None, false),
                ("https", "notexample.com", None, false),
            ],
        ),
        (
            "http://*:8000",
            &[
                ("http", "anything", Some(8000), true),
                ("http", "anything", None, false),
            ],
        ),
        (
            "http://localhost:8000..8002",
            &[
                ("http", "localhost", Some(7999), false),
                ("http", "localhost", Some(8000), true),
                ("http", "localhost", Some(8001), true),
                ("http", "localhost", Some(8002), false),
                ("http", "localhost", None, false),
            ],
        ),
        (
            "*://*:*",
            &[
                ("http", "example.com", None, true),
                ("tcp", "10.0.0.1", Some(1), true),
                ("strange", "x", None, true),
                ("http", "other.spin.internal", None, true),
            ],
        ),
        ("http://self", &[("http", "self", None, false)]),
        (
            "http://other.spin.internal",
            &[
                ("http", "other.spin.internal", None, true),
                ("http", "OTHER.Spin.Internal.", None, true),
                ("https", "other.spin.internal", None, false),
                ("http", "other.spin.internal", Some(81), false),
                ("http", "another.spin.internal", None, false),
            ],
        ),
        (
            "http://*.spin.internal",
            &[
                ("http", "other.spin.internal", None, true),
                ("http", "other.spin.internal.", None, true),
                ("http", "spin.internal", None, false),
            ],
        ),
        (
            "redis://cache",
            &[
                ("redis", "cache", None, true),
                ("redis", "cache", Some(6379), true),
            ],
        ),
        (
            "http://127.0.0.1",
            &[
                ("http", "127.0.0.1", None, true),
                ("http", "127.0.0.2", None, false),
                ("http", "localhost", None, false),
            ],
        ),
        (
            "http://[::1]:8001",
            &[
                ("http", "[::1]", Some(8001), true),
                ("http", "::1", Some(8001), true),
                ("http", "[0:0::1]", Some(8001), true),
                ("http", "[::2]", Some(8001), false),
            ],
        ),
        ("http://[::1]", &[("http", "[::1]", Some(80), true)]),
        ("http://[::1]/", &[("http", "[::1]", Some(80), true)]),
        (
            "*://10.1.2.3/8:80",
            &[
                ("http", "10.255.0.1", None, true),
                ("http", "11.0.0.1", None, false),
                ("http", "[::ffff:10.0.0.1]", None, true),
                ("http", "10.example.com", None, false),
            ],
        ),
        ("http://10.0.0.0/8", &[("http", "10.0.0.1", None, true)]),
        (
            "*://ff00::/8:80",
            &[
                ("http", "[ff01::2]", Some(80), true),
                ("http", "[fe01::2]", Some(80), false),
            ],
        ),
    ];
    for (entry, questions) in table {
        let hosts = allowed(&[entry]);
        for (scheme, host, port, expected) in *questions {
            assert_eq!(
                hosts.allows(scheme, host, *port),
                *expected,
                "{entry}: {scheme} {host} {port:?}"
            );
        }
    }
}

#[test]
fn without_entries_nothing_is_allowed_and_with_several_each_counts() {
    assert!(!AllowedHosts::default().allows("http", "example.com", None));
    let hosts = allowed(&["http://a.test", "https://b.test"]);
    assert!(hosts.allows("http", "a.test", None));
    assert!(hosts.allows("https", "b.test", None));
    assert!(!hosts.allows("https", "a.test", None));
}

#[test]
fn the_application_itself_is_allowed_by_name_or_by_any_host() {
    for (entry, allows, names) in [
        ("http://self", true, true),
        ("https://self.alt/", true, true),
        ("*://SELF", true, true),
        ("http://self:81", true, true),
        ("redis://self", false, true),
        ("*://*:*", true, false),
        ("http://*", true, false),
        ("tcp://*:1", false, false),
        ("http://*.self", false, false),
        ("http://*.spin.internal", false, true),
        ("http://a.spin.internal", false, true),
        ("http://*.internal", false, false),
        ("http://127.0.0.1", false, false),
    ] {
        let hosts = allowed(&[entry]);
        let found = (hosts.allows_itself(), hosts.names_itself());
        assert_eq!(found, (allows, names), "{entry}");
    }
    assert!(!AllowedHosts::default().allows_itself());
}

#[test]
fn sockets_are_held_to_scheme_address_and_port() {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let hosts = allowed(&[
        "tcp://127.0.0.1:5432",
        "udp://10.0.0.0/8:53",
        "http://*:*",
        "tcp://localhost:1",
    ]);
    assert!(hosts.allows_addr(address("127.0.0.1:5432"), "tcp"));
    assert!(!hosts.allows_addr(address("127.0.0.1:5432"), "udp"));
    assert!(!hosts.allows_addr(address("127.0.0.1:5433"), "tcp"));
    assert!(hosts.allows_addr(address("10.9.9.9:53"), "udp"));
    assert!(!hosts.allows_addr(address("10.9.9.9:53"), "tcp"));
    assert!(!hosts.allows_addr(address("127.0.0.1:1"), "tcp"));
    let all = allowed(&["*://*:*"]);
    assert!(all.allows_addr(address("[2001:db8::1]:9"), "tcp"));
}

#[test]
fn faults_are_named() {
    for (entry, fault) in [
        (
            "insecure:allow-all",
            "this is from Spin 1; write \"*://*:*\" to allow every host",
        ),
        (
            "",
            "an entry is `scheme://host` or `scheme://host:port`, and each part may be `*`; there is no `://` in it",
        ),
        (
            "*",
            "an entry is `scheme://host` or `scheme://host:port`, and each part may be `*`; there is no `://` in it",
        ),
        (
            "localhost:3001",
            "an entry is `scheme://host` or `scheme://host:port`, and each part may be `*`; there is no `://` in it",
        ),
        (
            "://x",
            "\"\" is no scheme; write one such as `https`, or `*` for any",
        ),
        (
            "ht-tp://x",
            "\"ht-tp\" is no scheme; write one such as `https`, or `*` for any",
        ),
        (
            "{http,https}://x",
            "\"{http,https}\" is no scheme; write one such as `https`, or `*` for any",
        ),
        ("http://", "the host is empty; write one, or `*` for any"),
        ("http://:80", "the host is empty; write one, or `*` for any"),
        ("http://*.", "the host is empty; write one, or `*` for any"),
        (
            "http://x/path",
            "an entry has no path; end it after the host",
        ),
        (
            "http://x:80/path",
            "an entry has no path; end it after the port",
        ),
        ("http://[::1", "`[` has no `]` after it"),
        (
            "http://[::1]x",
            "\"x\" after the address; only a port may follow",
        ),
        ("http://[nonsense]", "'[' cannot be part of a host"),
        ("http://u@x", "an entry has no user; write the host alone"),
        ("http://a b", "' ' cannot be part of a host"),
        (
            "http://bücher.example",
            "'ü' cannot be part of a host; write the name in its `xn--` form",
        ),
        (
            "http://a.*.example",
            "`*` stands for the whole host or, as in `*.example.com`, for its first part",
        ),
        (
            "http://*example",
            "`*` stands for the whole host or, as in `*.example.com`, for its first part",
        ),
        (
            "http://{a,b}",
            "lists in braces are not supported; write an entry for each host",
        ),
        (
            "http://x:{1,2}",
            "lists in braces are not supported; write an entry for each port",
        ),
        (
            "http://x:web",
            "\"web\" is no port; write a number up to 65535, a range such as `8000..8100`, or `*`",
        ),
        (
            "http://x:65536",
            "\"65536\" is no port; write a number up to 65535, a range such as `8000..8100`, or `*`",
        ),
        (
            "http://x:9..8",
            "the range of ports \"9..8\" is empty; its end is left out, so it must be above its start",
        ),
        (
            "http://x:8..8",
            "the range of ports \"8..8\" is empty; its end is left out, so it must be above its start",
        ),
        (
            "tcp://x",
            "the scheme `tcp` has no port of its own; write one after the host, or `:*` for any",
        ),
        (
            "*://x",
            "the scheme `*` has no port of its own; write one after the host, or `:*` for any",
        ),
    ] {
        assert_eq!(
            AllowedHost::parse(entry).map(drop),
            Err(fault.to_owned()),
            "{entry}"
        );
    }
}
