//! What an instance keeps from one request to the next, and what its initializer does before the first.

use std::cell::RefCell;
use std::rc::Rc;

use guest_request::json;

use crate::bindings::wasi::keyvalue::atomics::{self, Cas};
use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use crate::name;

thread_local! {
    /// The kept handle on the store.
    static BUCKET: RefCell<Option<Rc<Bucket>>> = const { RefCell::new(None) };
    /// A kept handle for a swap.
    static SWAP: RefCell<Option<Cas>> = const { RefCell::new(None) };
    /// What came of each attempt of the initializer.
    static OUTCOMES: RefCell<Vec<(&'static str, Result<(), Error>)>> = const { RefCell::new(Vec::new()) };
}

/// The initializer, by the name that makes it one: it runs when the component is instantiated.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    let bucket = match store::open("default") {
        Ok(bucket) => bucket,
        Err(error) => return OUTCOMES.set(vec![("open", Err(error))]),
    };
    let key = || vec!["key".to_owned()];
    OUTCOMES.set(vec![
        ("open", Ok(())),
        ("get", bucket.get("key").map(drop)),
        ("set", bucket.set("key", b"of the initializer")),
        ("delete", bucket.delete("key")),
        ("exists", bucket.exists("key").map(drop)),
        ("list-keys", bucket.list_keys(None).map(drop)),
        ("increment", atomics::increment(&bucket, "key", 1).map(drop)),
        ("cas.new", Cas::new(&bucket, "key").map(drop)),
        ("get-many", batch::get_many(&bucket, &key()).map(drop)),
        (
            "set-many",
            batch::set_many(&bucket, &[("key".to_owned(), Vec::new())]),
        ),
        ("delete-many", batch::delete_many(&bucket, &key())),
    ]);
    BUCKET.set(Some(Rc::new(bucket)));
}

/// The handle that the initializer opened, or the first request that asked for one.
pub fn bucket(label: &str) -> Result<Rc<Bucket>, Error> {
    if let Some(bucket) = BUCKET.with_borrow(Clone::clone) {
        return Ok(bucket);
    }
    let bucket = Rc::new(store::open(label)?);
    BUCKET.set(Some(bucket.clone()));
    Ok(bucket)
}

/// Keeps a handle for a swap.
pub fn keep_swap(cas: Cas) {
    SWAP.set(Some(cas));
}

/// The handle for a swap that was kept, if there is one.
pub fn take_swap() -> Option<Cas> {
    SWAP.take()
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
