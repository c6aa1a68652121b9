//! A handle on a store that a guest keeps is good in every request, and acts for the one that is served.

use std::cell::Cell;

use futures::future::{join, join_all};
use serde_json::{Value, json};

use super::value;
use crate::harness::{App, Client, Host, STORE, within};

/// A handler of `wasi:http` 0.3 for each interface. They open the handle that they keep before the first request.
const GUESTS: [&str; 3] = ["kv3", "kv2-03", "wasikv"];

const CLIENTS: usize = 16;

fn start(args: &[&str]) -> Host {
    let app = GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, STORE));
    app.start(args)
}

/// What an operation answers with the kept handle of an instance.
async fn kept(client: &Client, guest: &str, operation: &str) -> Value {
    let path = format!("/{guest}/{operation}&kept=yes");
    let answer = client.get_patiently(&path).await;
    let json = answer.expect_for(200, &path);
    json.get("ok")
        .unwrap_or_else(|| panic!("{path}: {json}"))
        .clone()
}

#[tokio::test]
async fn a_kept_handle_reads_and_writes_in_every_request() {
    // One thread, so that one instance serves all of them.
    let host = start(&["--workers", "1"]);
    let client = host.http1();
    for guest in GUESTS {
        let key = format!("key={guest}");
        for round in 0..3 {
            let ask = async |operation: &str| {
                kept(&client, guest, &format!("{operation}?{key}&value={round}")).await
            };
            assert_eq!(ask("get").await, Value::Null, "{guest}");
            assert_eq!(ask("set").await, json!(true), "{guest}");
            assert_eq!(ask("get").await, json!(round.to_string()), "{guest}");
            assert_eq!(value(&client, guest).await, json!(round.to_string()));
            assert_eq!(ask("exists").await, json!(true), "{guest}");
            assert_eq!(ask("keys").await, json!([guest]), "{guest}");
            assert_eq!(ask("delete").await, json!(true), "{guest}");
            assert_eq!(ask("exists").await, json!(false), "{guest}");
            assert_eq!(value(&client, guest).await, Value::Null);
        }
    }
}

#[tokio::test]
async fn of_requests_that_take_one_key_through_kept_handles_exactly_one_gets_it() {
    let host = start(&[]);
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            if number % 2 == 0 {
                host.http1()
            } else {
                host.http2()
            }
        })
        .collect();
    for guest in GUESTS {
        for round in 0..40 {
            kept(&clients[0], guest, "set?value=v").await;
            // In every other round each of them sees that it is there before any deletes it.
            let take = format!("take?wait={}", round % 2 * 5);
            let takes = clients.iter().map(|client| kept(client, guest, &take));
            let taken = join_all(takes).await;
            let taken = taken.iter().filter(|taken| **taken == json!(true)).count();
            assert_eq!(taken, 1, "{guest}, round {round}");
        }
    }
}

#[tokio::test]
async fn increments_through_kept_handles_lose_nothing() {
    let host = start(&[]);
    const EACH: usize = 15;
    for guest in GUESTS {
        let increment = format!("increment?key={guest}");
        let workers = (0..8).map(|_| {
            let (client, increment) = (host.http1(), &increment);
            async move {
                for _ in 0..EACH {
                    kept(&client, guest, increment).await;
                }
            }
        });
        within("all increments", join_all(workers)).await;
        let count = value(&host.http1(), guest).await;
        assert_eq!(count, (8 * EACH).to_string(), "{guest}");
    }
}

#[tokio::test]
async fn a_request_that_runs_again_has_written_once_through_a_kept_handle() {
    let host = start(&[
        "--workers",
        "1",
        "--log-level",
        "info,spindrift_gateway=debug",
    ]);
    let (slow, client) = (host.http1(), host.http1());
    for guest in GUESTS {
        // So that the handle is of an earlier request. The others' requests go to another guest: this one's instance has
        // nothing to do but the request and its second run.
        kept(&client, guest, "get?key=none").await;
        let other = if guest == "wasikv" { "kv3" } else { "wasikv" };
        let conflicts = || {
            let of_guest = |line: &&String| line.contains("conflict") && line.contains(guest);
            host.log().iter().filter(of_guest).count()
        };
        let before = conflicts();
        let done = Cell::new(false);
        let request = async {
            let count = kept(&slow, guest, "read-and-count?key=changing&wait=300").await;
            done.set(true);
            count
        };
        let writes = async {
            let mut number = 0;
            while conflicts() == before && !done.get() {
                number += 1;
                let set = format!("/{other}/set?key=changing&value={number}");
                client.get(&set).await.expect(200);
            }
        };
        let (count, ()) = within("the last run", join(request, writes)).await;
        assert!(conflicts() > before, "{guest}: it ran once");
        assert_eq!(count, json!(1), "{guest}");
        let count = format!("/{other}/get?key=count");
        assert_eq!(
            client.get(&count).await.expect(200),
            json!({"ok": "1"}),
            "{guest}"
        );
        let set = format!("/{other}/set?key=count&value=0");
        client.get(&set).await.expect(200);
    }
}

#[tokio::test]
async fn a_request_that_fails_has_written_nothing_through_a_kept_handle() {
    // Room for one entry with a key and a value of five bytes together; an entry itself counts 64.
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--workers", "1", "--max-total-size", "69"]);
    let client = host.http1();
    for _ in 0..3 {
        kept(&client, "kv3", "set?key=k&value=fits").await;
        let path = "/kv3/set-two?kept=yes&a=k&b=another&value=new";
        client.get(path).await.expect(507);
        assert_eq!(value(&client, "k").await, "fits");
        assert_eq!(value(&client, "another").await, Value::Null);
    }
}

#[tokio::test]
async fn an_initializer_opens_a_store_and_uses_it_in_vain() {
    let host = start(&[]);
    let client = host.http1();
    // An initializer cannot wait, so it has no way to read the stream of keys of `spin:key-value@3.0.0`.
    for (guest, operations) in [("kv3", 5), ("kv2-03", 6), ("wasikv", 11)] {
        let path = format!("/{guest}/initializer");
        let outcomes = client.get(&path).await.expect(200)["ok"].clone();
        let outcomes = outcomes.as_object().expect("an object");
        assert_eq!(outcomes.len(), operations, "{guest}: {outcomes:?}");
        for (operation, outcome) in outcomes {
            if operation == "open" {
                assert_eq!(*outcome, json!(true), "{guest}");
                continue;
            }
            let words = outcome.as_str().unwrap_or_default();
            assert!(
                words.starts_with("other: a store can be used only while a request is served"),
                "{guest}, {operation}: {outcome}"
            );
        }
        assert_eq!(value(&client, "key").await, Value::Null, "{guest}");
    }
}
