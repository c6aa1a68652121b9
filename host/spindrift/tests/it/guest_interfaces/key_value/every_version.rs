//! What `spin:key-value@3.0.0`, `fermyon:spin/key-value@2.0.0` and `wasi:keyvalue/store@0.2.0-draft2` do alike. Each test
//! asks all three.

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::App;

const GUESTS: [&str; 3] = ["kv3", "kv2", "wasikv"];
const MEBIBYTE: usize = 1 << 20;

/// The three guests on the store `default`, and on a second one that they share.
fn start() -> Guests {
    let app = app(r#"key_value_stores = ["default", "second"]"#).file(
        "runtime-config.toml",
        r#"
        [key_value_store.second]
        type = "local"
        [key_value_store.forbidden]
        type = "local"
        "#,
    );
    let config = app.path().join("runtime-config.toml");
    let args = ["--runtime-config-file", &config.to_string_lossy()];
    Guests::start_command(app.command().args(&args))
}

/// The three guests, each with these settings.
fn app(settings: &str) -> App {
    GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, settings))
}

#[tokio::test]
async fn a_key_is_set_read_and_deleted() {
    let guests = start();
    for guest in GUESTS {
        let key = [("key", guest)];
        let ask = async |operation: &str| guests.ok(&format!("{guest}/{operation}"), &key).await;

        assert_eq!(ask("get").await, Value::Null, "{guest}: before it is set");
        assert_eq!(ask("exists").await, json!(false), "{guest}");
        assert_eq!(ask("delete").await, json!(true), "{guest}: no such key");

        for value in ["first", "second", ""] {
            let args = [("key", guest), ("value", value)];
            let set = guests.ok(&format!("{guest}/set"), &args).await;
            assert_eq!(set, json!(true), "{guest}");
            assert_eq!(ask("get").await, json!(value), "{guest}");
            assert_eq!(ask("exists").await, json!(true), "{guest}: {value:?}");
        }

        assert_eq!(ask("delete").await, json!(true), "{guest}");
        assert_eq!(ask("get").await, Value::Null, "{guest}: after its delete");
        assert_eq!(ask("exists").await, json!(false), "{guest}");
    }
}

#[tokio::test]
async fn a_key_is_any_text() {
    let guests = start();
    let longest = "é".repeat(512);
    for guest in GUESTS {
        let keys = [
            "",
            " ",
            "a/b?c=d&e",
            "ключ 鍵 🔑",
            "line\nbreak\u{0}",
            &longest,
        ];
        for key in keys {
            let args = [("key", key), ("value", key)];
            guests.ok(&format!("{guest}/set"), &args).await;
            let found = guests.ok(&format!("{guest}/get"), &args[..1]).await;
            assert_eq!(found, json!(key), "{guest}");
        }
        let mut expected = keys;
        expected.sort_unstable();
        assert_eq!(listed(&guests, guest, "default").await, expected, "{guest}");
    }
}

#[tokio::test]
async fn a_value_is_any_bytes() {
    let guests = start();
    for guest in GUESTS {
        let set = format!("{guest}/set");
        guests.ok_with_body(&set, &[], "nul \0, escape \x1b").await;
        let found = guests.ok(&format!("{guest}/get"), &[]).await;
        assert_eq!(found, json!("nul \0, escape \x1b"), "{guest}");

        // The guest shows what is no UTF-8 as replacement characters, one for each byte here.
        guests.ok_with_body(&set, &[], vec![0xff, b'a', 0xfe]).await;
        let found = guests.ok(&format!("{guest}/get"), &[]).await;
        assert_eq!(found, json!("\u{fffd}a\u{fffd}"), "{guest}");
    }
}

#[tokio::test]
async fn a_key_over_the_limit_is_refused_and_never_found() {
    let guests = start();
    let long = "k".repeat(1025);
    let key = [("key", long.as_str())];
    let refusal = "other: key too long: 1025 bytes, at most 1024 bytes are allowed";
    for guest in GUESTS {
        let set = guests
            .error_with_body(&format!("{guest}/set"), &key, "v")
            .await;
        assert_eq!(set, refusal, "{guest}");
        let delete = guests.error(&format!("{guest}/delete"), &key).await;
        assert_eq!(delete, refusal, "{guest}");
        let get = guests.ok(&format!("{guest}/get"), &key).await;
        assert_eq!(get, Value::Null, "{guest}");
        let exists = guests.ok(&format!("{guest}/exists"), &key).await;
        assert_eq!(exists, json!(false), "{guest}");
    }
}

#[tokio::test]
async fn a_value_of_the_limit_is_kept_and_one_byte_more_is_refused() {
    let guests = start();
    let largest = "v".repeat(MEBIBYTE);
    for guest in GUESTS {
        let set = format!("{guest}/set");
        guests.ok_with_body(&set, &[], largest.clone()).await;

        let too_large = vec![b'w'; MEBIBYTE + 1];
        assert_eq!(
            guests.error_with_body(&set, &[], too_large).await,
            "other: value too large: 1048577 bytes, at most 1048576 bytes are allowed",
            "{guest}"
        );

        let found = guests.ok(&format!("{guest}/get"), &[]).await;
        assert!(found == json!(largest), "{guest}: the value has changed");
    }
}

#[tokio::test]
async fn keys_are_listed() {
    let guests = start();
    for guest in GUESTS {
        // The stores are shared: start from nothing.
        for key in ["one", "two", "three"] {
            guests.ok(&format!("{guest}/delete"), &[("key", key)]).await;
        }
        assert_eq!(listed(&guests, guest, "default").await, [""; 0], "{guest}");
        for key in ["one", "two", "three"] {
            let args = [("key", key), ("value", "v")];
            guests.ok(&format!("{guest}/set"), &args).await;
        }
        let keys = listed(&guests, guest, "default").await;
        assert_eq!(keys, ["one", "three", "two"], "{guest}");
        guests
            .ok(&format!("{guest}/delete"), &[("key", "two")])
            .await;
        let keys = listed(&guests, guest, "default").await;
        assert_eq!(keys, ["one", "three"], "{guest}");
    }
}

#[tokio::test]
async fn one_interface_reads_what_another_wrote() {
    let guests = start();
    for writer in GUESTS {
        let args = [("key", "shared"), ("value", writer)];
        guests.ok(&format!("{writer}/set"), &args).await;
        for reader in GUESTS {
            let found = guests.ok(&format!("{reader}/get"), &args[..1]).await;
            assert_eq!(found, json!(writer), "{reader}");
        }
    }
    for (number, guest) in GUESTS.iter().enumerate() {
        let count = guests
            .ok(&format!("{guest}/increment"), &[("key", "count")])
            .await;
        assert_eq!(count, json!(number + 1), "{guest}");
    }
}

#[tokio::test]
async fn stores_are_apart() {
    let guests = start();
    for guest in GUESTS {
        let first = [("key", guest), ("value", "in the first")];
        guests.ok(&format!("{guest}/set"), &first).await;
        let second = [("store", "second"), ("key", guest)];
        let get = format!("{guest}/get");
        assert_eq!(guests.ok(&get, &second).await, Value::Null, "{guest}");
        let set = [second[0], second[1], ("value", "in the second")];
        guests.ok(&format!("{guest}/set"), &set).await;
        assert_eq!(
            guests.ok(&get, &second).await,
            json!("in the second"),
            "{guest}"
        );
        assert_eq!(
            guests.ok(&get, &first[..1]).await,
            json!("in the first"),
            "{guest}"
        );
        guests.ok(&format!("{guest}/delete"), &second).await;
        assert_eq!(
            guests.ok(&get, &first[..1]).await,
            json!("in the first"),
            "{guest}"
        );
    }
}

#[tokio::test]
async fn a_store_that_is_not_granted_is_denied_whether_it_exists_or_not() {
    let guests = start();
    for guest in GUESTS {
        for operation in ["open", "get", "set", "delete", "exists", "keys"] {
            let path = format!("{guest}/{operation}");
            for label in ["forbidden", "unknown", "", "Default"] {
                let error = guests.error(&path, &[("store", label)]).await;
                assert_eq!(error, "access-denied", "{path} of {label:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_component_is_granted_no_store_by_default() {
    let guests = Guests::start(app(""));
    for guest in GUESTS {
        let error = guests.error(&format!("{guest}/open"), &[]).await;
        assert_eq!(error, "access-denied", "{guest}");
    }
}

#[tokio::test]
async fn a_guest_has_a_bounded_number_of_open_stores() {
    let guests = start();
    // The number is Spin's. The interface of WASI has no error of its own for it.
    for (guest, full) in [
        ("kv3", "store-table-full"),
        ("kv2", "store-table-full"),
        (
            "wasikv",
            "other: store table full: 256 stores are open; close some",
        ),
    ] {
        let open = format!("{guest}/open-many");
        let handles = guests.ok(&open, &[("times", "256")]).await;
        assert_eq!(handles, json!(256), "{guest}");
        let error = guests.error(&open, &[("times", "257")]).await;
        assert_eq!(error, full, "{guest}");
        // What a request has closed does not count against a later one.
        let handles = guests.ok(&open, &[("times", "256")]).await;
        assert_eq!(handles, json!(256), "{guest}");
    }
}

/// The keys of a store, sorted: the interfaces promise no order.
async fn listed(guests: &Guests, guest: &str, store: &str) -> Vec<String> {
    let keys = guests
        .ok(&format!("{guest}/keys"), &[("store", store)])
        .await;
    let mut keys: Vec<String> = serde_json::from_value(keys).expect("a list of keys");
    keys.sort_unstable();
    keys
}
