//! `wasi:keyvalue/store`: listing keys page by page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, STORE};

/// Keys in a page.
const PAGE: usize = 1_000;

fn start() -> Guests {
    Guests::start(App::new().guest("wasikv", STORE))
}

#[tokio::test]
async fn pages_are_complete_and_end() {
    let guests = start();
    let expected = fill(&guests, 0..2_500).await;

    let mut seen = Vec::new();
    let mut cursor = None;
    let mut sizes = Vec::new();
    loop {
        let (keys, next) = page(&guests, cursor.as_deref()).await;
        sizes.push(keys.len());
        seen.extend(keys);
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
        assert!(sizes.len() < 10, "the listing does not end: {sizes:?}");
    }
    assert_eq!(sizes, [PAGE, PAGE, 500]);
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(seen.len(), expected.len(), "a key was listed twice");

    // The same within one request.
    let keys: Vec<String> =
        serde_json::from_value(guests.ok("wasikv/keys", &[]).await).expect("a list of keys");
    assert_eq!(keys.len(), expected.len());
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn a_full_page_that_is_the_last_has_no_cursor() {
    let guests = start();
    assert_eq!(
        page(&guests, None).await,
        (Vec::new(), None),
        "an empty store"
    );
    fill(&guests, 0..PAGE).await;
    let (keys, cursor) = page(&guests, None).await;
    assert_eq!((keys.len(), cursor), (PAGE, None));
    fill(&guests, PAGE..PAGE + 1).await;
    let (keys, cursor) = page(&guests, None).await;
    assert_eq!(keys.len(), PAGE);
    let (rest, end) = page(&guests, cursor.as_deref()).await;
    assert_eq!((rest.len(), end), (1, None));
}

#[tokio::test]
async fn writes_between_pages_do_not_hide_other_keys() {
    let guests = start();
    let expected = fill(&guests, 0..1_500).await;
    let (first, cursor) = page(&guests, None).await;
    // Half of the first page goes, and the cursor's own key with it.
    let gone: Vec<_> = first
        .iter()
        .step_by(2)
        .chain(first.last())
        .map(|key| ("key", key.as_str()))
        .collect();
    guests.ok("wasikv/delete-many", &gone).await;
    fill(&guests, 2_000..2_100).await;
    let (second, end) = page(&guests, cursor.as_deref()).await;
    assert_eq!(end, None);
    let seen: BTreeSet<_> = first.into_iter().chain(second).collect();
    assert!(
        expected.is_subset(&seen),
        "not listed: {:?}",
        expected.difference(&seen).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_cursor_behind_all_keys_lists_nothing() {
    let guests = start();
    fill(&guests, 0..10).await;
    assert_eq!(page(&guests, Some("\u{10ffff}")).await, (Vec::new(), None));
}

/// Sets the keys of these numbers, and answers them.
async fn fill(guests: &Guests, numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    let keys: BTreeSet<String> = numbers.map(|number| format!("key-{number}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| format!("{key}=v")).collect();
    let body = entries.join("&");
    let done = guests.ok_with_body("wasikv/set-many", &[], body).await;
    assert_eq!(done, json!(true));
    keys
}

/// The page after the cursor, and the cursor of the next one.
async fn page(guests: &Guests, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let args: Vec<_> = cursor
        .map(|cursor| ("cursor", cursor))
        .into_iter()
        .collect();
    let Value::Object(mut page) = guests.ok("wasikv/page", &args).await else {
        panic!("a page is an object")
    };
    let mut field = |name| page.remove(name).expect("a page has keys and a cursor");
    (
        serde_json::from_value(field("keys")).expect("a list of keys"),
        serde_json::from_value(field("cursor")).expect("a cursor or none"),
    )
}
