//! What a guest is told about its request beside the client's own headers: the
//! `spin-*` headers, as under Spin. And what the head of a request takes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue};
use spindrift_app::{RouteMatch, internal_component};
use spindrift_memory::{Budget, Charge, Purpose, Spent, hold_more_of_heads, large_header_bytes};

const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");

/// Holds a large head on the budget, until its request is over. A small one costs no look at what all threads share.
///
/// # Errors
///
/// The budget has no room for it, or heads have their share.
pub(crate) fn hold(
    memory: &Arc<Budget>,
    head: &http::request::Parts,
) -> Result<Option<Charge>, Spent> {
    let bytes = large_header_bytes(&head.headers);
    if bytes == 0 {
        return Ok(None);
    }
    let mut charge = memory.open(Purpose::Heads);
    hold_more_of_heads(&mut charge, bytes)?;
    Ok(Some(charge))
}

/// Puts the `spin-*` headers in place of any that the client sent.
///
/// Headers that WASI forbids a guest to see, such as `connection`, are left to
/// the runtime, which drops them.
pub(crate) fn add_spin_headers(
    headers: &mut HeaderMap,
    scheme: &Scheme,
    authority: &Authority,
    path_and_query: &PathAndQuery,
    route: &RouteMatch<'_>,
    client: &HeaderValue,
) {
    drop_path_matches(headers);
    headers.reserve(8);
    let fixed = route.route().headers();
    headers.insert(MATCHED_ROUTE, fixed.matched_route.clone());
    headers.insert(COMPONENT_ROUTE, fixed.component_route.clone());
    headers.insert(RAW_COMPONENT_ROUTE, fixed.raw_component_route.clone());
    headers.insert(BASE_PATH, fixed.base_path.clone());
    headers.insert(CLIENT_ADDR, client.clone());

    let (scheme, authority, path) = (scheme.as_str(), authority.as_str(), path_and_query.as_str());
    let mut url = String::with_capacity(scheme.len() + 3 + authority.len() + path.len());
    url.push_str(scheme);
    url.push_str("://");
    url.push_str(authority);
    url.push_str(path);
    insert(headers, FULL_URL, url.into());
    let info = route.path_info();
    if info.is_empty() {
        headers.insert(PATH_INFO, HeaderValue::from_static(""));
    } else {
        insert(headers, PATH_INFO, Bytes::copy_from_slice(info.as_bytes()));
    }
    for capture in route.captures() {
        let value = Bytes::copy_from_slice(capture.value.as_bytes());
        insert(headers, capture.header.clone(), value);
    }
}

/// Has the `host` header name the host that the client has named, in whichever form: a target in absolute form wins (RFC 9112,
/// section 3.2.2), and with HTTP/2 there may be no such header.
///
/// As under Spin, no client can pass for another component of the application, which is what `*.spin.internal` stands for.
pub(crate) fn set_host(headers: &mut HeaderMap, named: Option<&Authority>) {
    let host = named.filter(|named| internal_component(named.host()).is_none());
    match host.map(Authority::as_str) {
        None => {
            headers.remove(HOST);
        }
        Some(host) => {
            if headers.get(HOST).is_none_or(|known| known != host) {
                insert(headers, HOST, Bytes::copy_from_slice(host.as_bytes()));
            }
        }
    }
}

/// A segment that the route does not capture has no header, whoever sent one.
fn drop_path_matches(headers: &mut HeaderMap) {
    let is_match = |name: &HeaderName| name.as_str().starts_with("spin-path-match-");
    while let Some(name) = headers.keys().find(|name| is_match(name)).cloned() {
        headers.remove(name);
    }
}

/// The client's address as [`add_spin_headers`] takes it, made once for each
/// connection.
pub(crate) fn client_header(client: SocketAddr) -> HeaderValue {
    HeaderValue::from_str(&client.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Bytes) {
    // A request's target holds no byte that a header may not, or it would not
    // have been parsed.
    if let Ok(value) = HeaderValue::from_maybe_shared(value) {
        headers.insert(name, value);
    }
}
