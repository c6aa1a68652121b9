//! [`Cause`]: what is behind a failure of the HTTP client's, which puts it into errors of several layers.

use std::error::Error;
use std::io;

/// What is behind a failure of the HTTP client's, and what was said of it.
pub(crate) enum Cause {
    /// What listens there does not speak TLS.
    NoTls,
    /// It does not speak HTTP, or not without TLS.
    NoHttp(String),
    /// Its certificate is not trusted.
    Certificate(String),
    /// There is no host of that name.
    UnknownHost(String),
    /// The connection was refused.
    NothingListens(String),
    /// Something else.
    Other(String),
}

impl Cause {
    /// Looks for what is known to cause failures.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let causes = causes(error);
        let reason = causes.last().map_or_else(String::new, ToString::to_string);
        for cause in &causes {
            match cause.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidMessage(_)) => return Self::NoTls,
                Some(rustls::Error::InvalidCertificate(reason)) => {
                    return Self::Certificate(reason.to_string());
                }
                _ => {}
            }
            let error = cause.downcast_ref::<hyper::Error>();
            if error.is_some_and(hyper::Error::is_parse) {
                return Self::NoHttp(reason);
            }
            let error = cause.downcast_ref::<io::Error>();
            if error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
                return Self::NothingListens(reason);
            }
            if cause.to_string().starts_with("dns error") {
                return Self::UnknownHost(reason);
            }
        }
        Self::Other(reason)
    }
}

/// An error and what is behind it, outermost first. What an [`io::Error`] holds is one of them, which its `source` is not.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error);
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_io_error_holds_is_found() {
        let inner = rustls::Error::General("inner".into());
        let outer = io::Error::other(io::Error::other(inner));
        let found = causes(&outer);
        assert!(found.iter().any(|cause| cause.is::<rustls::Error>()));
    }
}
