//! What an instance keeps from one request to the next, and what its initializer does before the first.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use guest_request::{Target, json};
use spin_sdk::key_value::{Error, Store};
use spin_sdk::wit_bindgen::block_on;

use crate::name;

thread_local! {
    /// A handle that is opened once, before the first request, and used in every one, as one keeps a connection.
    static STORE: RefCell<Option<Rc<Store>>> = const { RefCell::new(None) };
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
    /// What came of each attempt of the initializer.
    static OUTCOMES: RefCell<Vec<(&'static str, Result<(), Error>)>> = const { RefCell::new(Vec::new()) };
}

/// The initializer, by the name that makes it one: it runs when the component is instantiated.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    OUTCOMES.set(block_on(async {
        let store = match Store::open_default().await {
            Ok(store) => store,
            Err(error) => return vec![("open", Err(error))],
        };
        let outcomes = vec![
            ("open", Ok(())),
            ("get", store.get("key").await.map(drop)),
            ("set", store.set("key", "of the initializer").await),
            ("delete", store.delete("key").await),
            ("exists", store.exists("key").await.map(drop)),
        ];
        STORE.set(Some(Rc::new(store)));
        outcomes
    }));
}

/// What came of each attempt of the initializer: `true`, or the error's name.
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
