//! [`HeldRequest`]: a request as its handler gets it, each time that it runs.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method};
use wasmtime_wasi_http::FieldMap;

use super::forbidden_headers::ForbiddenHeaders;

/// A request that is held so that it can be run more than once.
#[derive(Clone, Debug)]
pub struct HeldRequest {
    /// The method.
    pub method: Method,
    /// `http` or `https`, as the client came.
    pub scheme: Scheme,
    /// The host that the client asked for.
    pub authority: Authority,
    /// The path and query as the client wrote them.
    pub path_and_query: PathAndQuery,
    /// The headers for the guest, `spin-*` included: see [`guest_headers`].
    pub headers: FieldMap,
    /// The whole body.
    pub body: Bytes,
    /// How many requests of the application to itself have led to this one.
    pub depth: usize,
}

/// The headers of a request without those that WASI forbids a guest to see,
/// such as `connection`, but with `host`; shared by all runs of the request.
pub fn guest_headers(headers: HeaderMap) -> FieldMap {
    FieldMap::new_immutable(&mut ForbiddenHeaders, headers)
}
