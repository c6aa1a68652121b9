//! What a component may call, by the field that there is and the one that there was.

use super::faults::fault;
use super::{read, with_component};
use crate::Template;

fn hosts(text: &str) -> (Vec<String>, Vec<String>) {
    let application = read(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let hosts = application.components[0].allowed_outbound_hosts.iter();
    (hosts.map(Template::text).collect(), application.warnings)
}

#[test]
fn the_former_field_is_read_as_spin_reads_it() {
    for (fields, expected) in [
        ("allowed_http_hosts = []", &[][..]),
        (
            "allowed_http_hosts = [\"a.test\"]",
            &["http://a.test", "https://a.test"],
        ),
        (
            "allowed_http_hosts = [\"A.test:81\", \"http://b.test/\", \"https://c.test:443\"]",
            &[
                "http://a.test:81",
                "https://a.test:81",
                "http://b.test",
                "https://b.test",
                "http://c.test",
                "https://c.test",
            ],
        ),
        (
            "allowed_http_hosts = [\"[::1]:80\", \"10.0.0.1\", \"localhost:3000\"]",
            &[
                "http://[::1]",
                "https://[::1]",
                "http://10.0.0.1",
                "https://10.0.0.1",
                "http://localhost:3000",
                "https://localhost:3000",
            ],
        ),
        (
            "allowed_http_hosts = [\"a.test\", \"insecure:allow-all\"]",
            &["http://*:*", "https://*:*"],
        ),
        (
            "allowed_http_hosts = [\"a.test\"]\nallowed_outbound_hosts = [\"redis://b.test\"]",
            &["redis://b.test", "http://a.test", "https://a.test"],
        ),
        (
            "allowed_http_hosts = [\"{{host}}:81\"]",
            &["http://{{ host }}:81", "https://{{ host }}:81"],
        ),
    ] {
        let (found, _) = hosts(&with_component(fields));
        assert_eq!(found, expected, "{fields}");
    }
}

#[test]
fn the_former_field_is_warned_of() {
    let (_, warnings) = hosts(&with_component(
        "allowed_http_hosts = [\"a.test\", \"b.test:81\"]",
    ));
    assert_eq!(
        warnings,
        [
            "component `a`: `allowed_http_hosts` is deprecated; add [\"http://a.test\", \"https://a.test\", \"http://b.test:81\", \"https://b.test:81\"] to `allowed_outbound_hosts` in its place"
        ]
    );
    let (_, warnings) = hosts(&with_component("allowed_http_hosts = []"));
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn faults_of_the_former_field_are_named_with_their_line() {
    for (entry, expected) in [
        (
            "a.test/b",
            "(\"a.test/b\") has a path; end it after the host or the port",
        ),
        (
            "ftp://a.test",
            "(\"ftp://a.test\") has the scheme \"ftp\", and this field is for HTTP; write it into `allowed_outbound_hosts`",
        ),
        (
            "",
            "(\"\") is no host (empty host); write a host, or a host and a port such as \"example.com:8080\"",
        ),
        (
            "a.test:port",
            "(\"a.test:port\") is no host (invalid port number)",
        ),
        (
            "{{none}}",
            ": `{{ none }}` names a variable that [variables] does not declare",
        ),
    ] {
        let text = with_component(&format!("allowed_http_hosts = [\n\"b.test\",\n{entry:?}]"));
        let found = fault(&text);
        let start = "spin.toml:13: an entry of `allowed_http_hosts` in [component.a]";
        let rest = found.strip_prefix(start).unwrap_or_default();
        assert!(
            rest.trim_start().starts_with(expected),
            "{entry}\n found: {found}\n expected: {expected}"
        );
    }
}
