//! A write that the handlers which fail afterwards have made.

use guest_request::Target;
use spin_sdk::key_value::{Error, Store};

/// Sets `key` to `trouble`.
pub async fn set(target: &Target) -> Result<(), Error> {
    Store::open_default()
        .await?
        .set(target.text("key", "key"), "trouble")
        .await
}
