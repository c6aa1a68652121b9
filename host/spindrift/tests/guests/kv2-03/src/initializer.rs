//! What runs when the component is instantiated, before any request.

use std::cell::RefCell;
use std::rc::Rc;

use guest_request::json;

use crate::bindings::fermyon::spin::key_value::{Error, Store};
use crate::name;

thread_local! {
    /// The kept handle.
    static STORE: RefCell<Option<Rc<Store>>> = const { RefCell::new(None) };
    /// What came of each of its attempts.
    static OUTCOMES: RefCell<Vec<(&'static str, Result<(), Error>)>> = const { RefCell::new(Vec::new()) };
}

/// The initializer, by the name that makes it one: it runs when the component is instantiated.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    let store = match Store::open("default") {
        Ok(store) => store,
        Err(error) => return OUTCOMES.set(vec![("open", Err(error))]),
    };
    OUTCOMES.set(vec![
        ("open", Ok(())),
        ("get", store.get("key").map(drop)),
        ("set", store.set("key", b"of the initializer")),
        ("delete", store.delete("key")),
        ("exists", store.exists("key").map(drop)),
        ("get-keys", store.get_keys().map(drop)),
    ]);
    STORE.set(Some(Rc::new(store)));
}

/// The handle that the initializer opened, or the first request that asked for one.
pub fn kept(label: &str) -> Result<Rc<Store>, Error> {
    if let Some(store) = STORE.with_borrow(Clone::clone) {
        return Ok(store);
    }
    let store = Rc::new(Store::open(label)?);
    STORE.set(Some(store.clone()));
    Ok(store)
}

/// What came of each attempt: `true`, or the error's name.
pub fn outcomes() -> String {
    OUTCOMES.with_borrow(|outcomes| {
        json::object(outcomes.iter().map(|(operation, outcome)| {
            let outcome = match outcome {
                Ok(()) => "true".into(),
                Err(error) => json::string(&name(error)),
            };
            (*operation, outcome)
        }))
    })
}
