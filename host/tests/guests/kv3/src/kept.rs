//! What an instance keeps from one request to the next.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use guest_request::Target;
use spin_sdk::key_value::{Error, Store};

thread_local! {
    /// A handle that is opened once and used in every request, as one keeps a connection.
    static STORE: RefCell<Option<Rc<Store>>> = const { RefCell::new(None) };
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
}

/// The store, through the kept handle if the target has the argument `kept`, else through a new one.
pub async fn open(target: &Target) -> Result<Rc<Store>, Error> {
    let label = target.text("store", "default");
    if target.get("kept").is_none() {
        return Store::open(label).await.map(Rc::new);
    }
    if let Some(store) = STORE.with_borrow(Clone::clone) {
        return Ok(store);
    }
    let store = Rc::new(Store::open(label).await?);
    STORE.set(Some(store.clone()));
    Ok(store)
}

/// How many requests have asked this instance so far.
pub fn requests() -> u64 {
    REQUESTS.set(REQUESTS.get() + 1);
    REQUESTS.get()
}
