//! What headers take, and which part of the budget heads of requests may have.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::budget::{Charge, Spent};

/// What a header takes beside its name and its value, in bytes: its places in the map.
const HEADER_BYTES: usize = 100;

/// A map that takes no more is small, in bytes. What is charged for streams, and for instances, stands for it too.
const SMALL_BYTES: usize = 4 * 1024;

/// The share of the budget that heads have: a quarter. With all of it, clients that send heads alone would keep all others out.
const HEADS_SHARE: usize = 4;

/// Holds so many bytes of heads more.
///
/// # Errors
///
/// The budget has no room for them, or heads have their share of it.
pub fn hold_more_of_heads(charge: &mut Charge, bytes: usize) -> Result<(), Spent> {
    let most = charge.budget().limit_bytes() / HEADS_SHARE;
    charge.grow_within(bytes, most)
}

/// What the headers take in memory, in bytes; an estimate.
pub fn header_bytes(headers: &HeaderMap) -> usize {
    let headers = headers.iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES)
        .sum()
}

/// As [`header_bytes`], where that is much; otherwise 0.
pub fn large_header_bytes(headers: &HeaderMap) -> usize {
    let bytes = header_bytes(headers);
    if bytes > SMALL_BYTES { bytes } else { 0 }
}

/// A header's value that takes its memory for as long as the process lives: for one that many answers or requests have. Other
/// values count those who refer to them, and all threads would have to change that count for each request. A text that is no value
/// makes an empty one.
pub fn lasting_value(text: String) -> HeaderValue {
    let bytes = Bytes::from_static(text.leak().as_bytes());
    HeaderValue::from_maybe_shared(bytes).unwrap_or(HeaderValue::from_static(""))
}
