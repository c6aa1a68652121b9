//! [`check`]: what has to be right with the head of a request, whatever answers it.
//!
//! Hyper and h2 refuse what they cannot read: a malformed header, lengths that disagree, a body whose last coding is not
//! `chunked`. What they let pass is found out from the headers here: which host the request is for (RFC 9112, section 3.2, and
//! RFC 9113, section 8.3.1), and how its body is coded (RFC 9112, sections 6.1 and 7).

use std::net::Ipv6Addr;

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, StatusCode, Uri, Version};
use thiserror::Error;

/// What is wrong with the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadHead {
    /// HTTP/1.1 asks for a `Host` header.
    #[error("the request has no Host header; HTTP/1.1 asks for one")]
    NoHost,
    /// There is more than one.
    #[error("the request has more than one Host header")]
    SeveralHosts,
    /// It names no host.
    #[error(
        "the Host header is malformed: it is to be a host, or a host and a port with a colon between them"
    )]
    MalformedHost,
    /// The target names no host where it has to.
    #[error(
        "the authority of the request's target is malformed: it is to be a host, or a host and a port with a colon between them"
    )]
    MalformedAuthority,
    /// HTTP/2 names two hosts.
    #[error("the :authority of the request and its Host header name different hosts")]
    HostsDiffer,
    /// A body may be chunked once.
    #[error("the Transfer-Encoding header names chunked more than once")]
    ChunkedTwice,
    /// The body is coded in a way that the host does not know.
    #[error(
        "the Transfer-Encoding header names a coding that this host does not know; it knows chunked only"
    )]
    UnknownCoding,
}

impl BadHead {
    /// The status that answers it.
    pub fn status(self) -> StatusCode {
        match self {
            BadHead::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether nothing that follows on the connection can be relied on, because it is not sure where the request ends.
    pub fn ends_connection(self) -> bool {
        matches!(self, BadHead::ChunkedTwice | BadHead::UnknownCoding)
    }
}

/// Looks at the head of a request that hyper has read.
///
/// # Errors
///
/// What is wrong with it.
pub fn check<B>(request: &Request<B>) -> Result<(), BadHead> {
    check_hosts(request)?;
    check_codings(request.headers())
}

fn check_hosts<B>(request: &Request<B>) -> Result<(), BadHead> {
    let (version, uri) = (request.version(), request.uri());
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, target) = (hosts.next(), uri.authority());
    if hosts.next().is_some() {
        return Err(BadHead::SeveralHosts);
    }
    if target.is_some_and(|target| !is_authority(target.as_str().as_bytes())) {
        return Err(BadHead::MalformedAuthority);
    }
    match (host, target) {
        (None, _) if version == Version::HTTP_11 => Err(BadHead::NoHost),
        (None, _) => Ok(()),
        // Empty where the client's URL has no host, which a target in absolute form has for it.
        (Some(host), Some(_)) if host.is_empty() && version < Version::HTTP_2 => Ok(()),
        (Some(host), _) if !is_authority(host.as_bytes()) => Err(BadHead::MalformedHost),
        (Some(host), Some(target)) if version >= Version::HTTP_2 => {
            let scheme = uri.scheme();
            let same = normal(host.as_bytes(), scheme)
                .eq_ignore_case(&normal(target.as_str().as_bytes(), scheme));
            same.then_some(()).ok_or(BadHead::HostsDiffer)
        }
        // With HTTP/1.1 the target in absolute form wins.
        _ => Ok(()),
    }
}

/// The codings of a body, in the order in which they were applied.
fn check_codings(headers: &HeaderMap) -> Result<(), BadHead> {
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    let codings = codings.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let codings = codings.map(<[u8]>::trim_ascii);
    let mut chunked = 0;
    // A list may have empty elements (RFC 9110, section 5.6.1.2).
    for coding in codings.filter(|coding| !coding.is_empty()) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(BadHead::UnknownCoding);
        }
        chunked += 1;
    }
    if chunked > 1 {
        return Err(BadHead::ChunkedTwice);
    }
    Ok(())
}

/// Whether this is a host with or without a port, and nothing else (RFC 3986, section 3.2): no user, no empty host.
fn is_authority(text: &[u8]) -> bool {
    let (host, port) = split_port(text);
    let is_port = port.is_none_or(|port| {
        let number = std::str::from_utf8(port).unwrap_or("-");
        port.is_empty() || (!number.starts_with('+') && number.parse::<u16>().is_ok())
    });
    is_port && is_host(host)
}

fn is_host(host: &[u8]) -> bool {
    if let Some(literal) = host.strip_prefix(b"[") {
        let address = literal.strip_suffix(b"]").map(std::str::from_utf8);
        return matches!(address, Some(Ok(address)) if address.parse::<Ipv6Addr>().is_ok());
    }
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte);
    // `Authority` takes no host with percent signs, which no name of a host needs.
    !host.is_empty() && host.iter().all(is_allowed)
}

/// Takes the port off, which may be empty.
fn split_port(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    // The colons of an IPv6 address are in brackets.
    let from = text.iter().position(|&byte| byte == b']').unwrap_or(0);
    match text[from..].iter().position(|&byte| byte == b':') {
        Some(colon) => (&text[..from + colon], Some(&text[from + colon + 1..])),
        None => (text, None),
    }
}

/// A host and its port, as they are compared.
struct Normal<'a> {
    host: &'a [u8],
    port: Option<&'a [u8]>,
}

impl Normal<'_> {
    fn eq_ignore_case(&self, other: &Normal<'_>) -> bool {
        self.host.eq_ignore_ascii_case(other.host) && self.port == other.port
    }
}

/// Leaves out a port that is empty, or that is the scheme's own (RFC 9110, section 4.2.3).
fn normal<'a>(text: &'a [u8], scheme: Option<&Scheme>) -> Normal<'a> {
    let own: &[u8] = match scheme.map(Scheme::as_str) {
        Some("http") => b"80",
        Some("https") => b"443",
        _ => b"",
    };
    let (host, port) = split_port(text);
    Normal {
        host,
        port: port.filter(|&port| !port.is_empty() && port != own),
    }
}

/// The host that a request is for, whose head is right: the target's, or else that of the `Host` header, if either names one.
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => Authority::try_from(headers.get(HOST)?.as_bytes()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> Result<(), BadHead> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).expect("a request"))
    }

    #[test]
    fn http_1_names_one_host() {
        let (http10, http11) = (Version::HTTP_10, Version::HTTP_11);
        for (version, uri, hosts, expected) in [
            (http11, "/", &["a"][..], Ok(())),
            (http10, "/", &["a"], Ok(())),
            (http10, "/", &[], Ok(())),
            (http11, "/", &[], Err(BadHead::NoHost)),
            (http11, "http://a/", &[], Err(BadHead::NoHost)),
            (http11, "/", &["a", "a"], Err(BadHead::SeveralHosts)),
            (http10, "/", &["a", "b"], Err(BadHead::SeveralHosts)),
            (http11, "http://a/", &["b"], Ok(())),
            (http11, "http://a/", &[""], Ok(())),
            (http11, "/", &[""], Err(BadHead::MalformedHost)),
            (http11, "http://a/", &["b c"], Err(BadHead::MalformedHost)),
            (
                http11,
                "http://me@a/",
                &["a"],
                Err(BadHead::MalformedAuthority),
            ),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(
                checked(version, uri, &headers),
                expected,
                "{version:?} {uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn http_2_names_no_two_hosts() {
        for (uri, host, expected) in [
            ("http://a/", None, Ok(())),
            ("/", Some("a"), Ok(())),
            ("/", None, Ok(())),
            ("http://a.test/", Some("A.test:80"), Ok(())),
            ("https://a:443/", Some("a:"), Ok(())),
            ("https://a:80/", Some("a"), Err(BadHead::HostsDiffer)),
            ("http://a/", Some("b"), Err(BadHead::HostsDiffer)),
            ("http://a:1/", Some("a:2"), Err(BadHead::HostsDiffer)),
            ("http://a/", Some(""), Err(BadHead::MalformedHost)),
            ("http://me@a/", None, Err(BadHead::MalformedAuthority)),
        ] {
            let headers: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
            assert_eq!(
                checked(Version::HTTP_2, uri, &headers),
                expected,
                "{uri} {host:?}"
            );
        }
    }

    #[test]
    fn hosts_have_the_form_of_one() {
        for host in [
            "a",
            "a.test.",
            "A-1_2.test:8080",
            "1.2.3.4:0",
            "[::1]",
            "[::1]:3000",
            "[::ffff:1.2.3.4]:",
            "a:",
            "a:65535",
        ] {
            assert!(is_authority(host.as_bytes()), "{host}");
            assert!(Authority::try_from(host).is_ok(), "{host}");
        }
        for host in [
            "", ":80", "a b", "a/b", "a?b", "http://a", "me@a", "a:b", "a:1:2", "a:+1", "a:-1",
            "a:65536", "[::1", "::1", "[a]", "[::1]a", "[::1]]", "a%20b", "a,b c", "\u{e9}",
            "a\"b",
        ] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_body_is_chunked_and_nothing_else() {
        for (values, expected) in [
            (&["chunked"][..], Ok(())),
            (&["Chunked"], Ok(())),
            (&[", chunked,"], Ok(())),
            (&["gzip, chunked"], Err(BadHead::UnknownCoding)),
            (&["gzip", "chunked"], Err(BadHead::UnknownCoding)),
            (&["identity, chunked"], Err(BadHead::UnknownCoding)),
            (&["chunked, chunked"], Err(BadHead::ChunkedTwice)),
            (&["chunked", "chunked"], Err(BadHead::ChunkedTwice)),
        ] {
            let mut headers = vec![("host", "a")];
            headers.extend(values.iter().map(|value| ("transfer-encoding", *value)));
            assert_eq!(
                checked(Version::HTTP_11, "/", &headers),
                expected,
                "{values:?}"
            );
        }
        assert_eq!(BadHead::UnknownCoding.status(), StatusCode::NOT_IMPLEMENTED);
        assert_eq!(BadHead::ChunkedTwice.status(), StatusCode::BAD_REQUEST);
    }
}
