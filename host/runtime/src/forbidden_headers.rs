//! The headers that belong to a connection and not to a guest.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, WasiHttpHooks};

/// Whether WASI keeps a header from guests.
///
/// The trait's own version of this allocates for each header of each request.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

/// Hooks that know of headers and nothing else, for requests on their way in.
///
/// As under Spin, a guest of `wasi:http` 0.3 sees which host its client named. Wasmtime keeps that from guests of 0.2.
pub(crate) struct ForbiddenHeaders;

impl WasiHttpHooks for ForbiddenHeaders {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name) && name != HOST
    }
}

/// Removes the headers that a `Connection` header names: they are for the other end of that connection, and go no further (RFC
/// 9110, section 7.6.1). What says where a message ends, and which host it is for, no such header takes away.
pub fn remove_connection_options(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let values = headers.get_all(CONNECTION).iter();
    let options = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let names = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
    let stays = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, HOST];
    let names: Vec<_> = names.filter(|name| !stays.contains(name)).collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_connection_header_names_is_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-One ,,x-absent"),
            ("connection", "TE,not a name,host,content-length"),
            ("x-one", "1"),
            ("x-one", "2"),
            ("x-two", "x-three"),
            ("x-three", "3"),
            ("te", "trailers"),
            ("host", "a"),
            ("content-length", "0"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        remove_connection_options(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = ["connection", "content-length", "host", "x-three", "x-two"];
        assert_eq!(left, expected);
    }
}
