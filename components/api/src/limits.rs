//! The sizes that the API accepts.

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// The largest value, in bytes of UTF-8.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// The largest body of a `PUT`, in bytes.
///
/// A value of the largest size fits with every character escaped (`\u0041` is
/// six bytes for one). It only bounds this component's memory: the host in
/// front may well allow less.
pub const MAX_BODY_BYTES: usize = 6 * MAX_VALUE_BYTES + 64 * 1024;

/// How deep arrays and objects may nest in a body.
///
/// The values nested here are only ever ignored or quoted in a 422.
pub const MAX_JSON_DEPTH: usize = 128;
