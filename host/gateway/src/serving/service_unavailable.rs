//! [`ServiceUnavailable`]: an answer of HTTP/1.1 to a client whose request is not read.

use std::sync::OnceLock;

/// A 503 with `Retry-After`, after which the connection ends.
pub(crate) struct ServiceUnavailable {
    /// Why, for people.
    detail: &'static str,
    whole: OnceLock<Vec<u8>>,
}

impl ServiceUnavailable {
    /// With a reason that is the same in JSON.
    pub(crate) const fn new(detail: &'static str) -> Self {
        ServiceUnavailable {
            detail,
            whole: OnceLock::new(),
        }
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.whole.get_or_init(|| {
            let body = format!("{{\"detail\":\"{}\"}}", self.detail);
            let length = body.len();
            format!(
                "HTTP/1.1 503 Service Unavailable\r\n\
                 content-type: application/json\r\n\
                 content-length: {length}\r\n\
                 retry-after: 1\r\n\
                 connection: close\r\n\r\n\
                 {body}"
            )
            .into_bytes()
        })
    }
}
