//! Answers for the errors of Spin's key-value store.

use spin_sdk::key_value::Error;

use crate::reply::Reply;

/// The answer to a request that the store could not serve: 413 if it found the
/// value too large, 422 if it found the key too long, else 500.
///
/// Both can happen within the API's own limits: a host may be configured to
/// allow less.
pub fn failed(error: Error) -> Reply {
    match error {
        Error::Other(detail) if detail.starts_with("value too large") => Reply::error(413, &detail),
        Error::Other(detail) if detail.starts_with("key too long") => Reply::error(422, &detail),
        Error::Other(detail) => Reply::error(500, &detail),
        Error::StoreTableFull => Reply::error(500, "too many stores are open at once"),
        Error::NoSuchStore => Reply::error(500, "the host has no key-value store `default`"),
        Error::AccessDenied => Reply::error(
            500,
            "access denied: grant the component the store with key_value_stores = [\"default\"]",
        ),
    }
}
