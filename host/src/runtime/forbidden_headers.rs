//! The headers that belong to a connection and not to a guest.

use http::HeaderName;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, WasiHttpHooks};

/// Whether WASI keeps a header from guests.
///
/// The trait's own version of this allocates for each header of each request.
pub fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

/// Hooks that know of headers and nothing else, for requests on their way in.
pub struct ForbiddenHeaders;

impl WasiHttpHooks for ForbiddenHeaders {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }
}
