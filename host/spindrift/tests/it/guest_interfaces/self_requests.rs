//! Requests that guests send to their own application: by its routes (`self`), or to a component (`ID.spin.internal`).

use futures::future::{join, join_all};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::guest_interfaces::guests::{Guests, target};
use crate::guest_interfaces::outbound_http::assert_not_whole;
use crate::harness::{App, Host, STORE, built, eventually, within};

const GUESTS: [&str; 2] = ["outbound3", "outbound2"];

/// Both guests with `allowed` in their `allowed_outbound_hosts`, and what they call: `kv3`, and `trouble`, which `hidden` is, too,
/// without a route.
fn app(allowed: &str) -> App {
    let settings = format!("{STORE}\nallowed_outbound_hosts = [{allowed:?}]");
    let app = GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, &settings));
    let hidden = format!(
        "[[trigger.http]]\nroute = {{ private = true }}\ncomponent = \"hidden\"\n\n[component.hidden]\nsource = {:?}",
        built("guest_trouble.wasm")
    );
    app.guest("kv3", STORE)
        .guest("trouble", STORE)
        .text(&hidden)
}

fn allowing(allowed: &str) -> Guests {
    Guests::start(app(allowed))
}

/// What a guest is told that GETs `url`: the status, and the body as JSON.
async fn fetched(guests: &Guests, guest: &str, url: &str) -> (Value, Value) {
    let answer = guests.ok(&format!("{guest}/fetch"), &[("url", url)]).await;
    let body = answer["body"].as_str().expect("a body");
    let body = serde_json::from_str(body).unwrap_or_else(|_| body.into());
    (answer["status"].clone(), body)
}

/// The values of a header in what `method-and-headers` answers.
fn header(received: &Value, name: &str) -> Vec<String> {
    let headers = received["ok"]["headers"].as_array().expect("headers");
    let of_name = headers.iter().filter(|header| header[0] == name);
    let values = of_name.map(|header| header[1].as_str().expect("a value").to_owned());
    values.collect()
}

#[tokio::test]
async fn a_guest_calls_its_own_application_by_its_routes() {
    for allowed in ["http://self", "https://self.alt", "*://self", "*://*:*"] {
        let guests = allowing(allowed);
        let origin = guests.host.address().to_string();
        let relative = [("url", "/trouble/status?status=418")];
        assert_eq!(guests.ok("outbound3/relative02", &relative).await, 418);
        for guest in GUESTS {
            for url in [
                "/trouble/method-and-headers?a=%20b",
                "http://self/trouble/method-and-headers?a=%20b",
                "http://self.alt:1/trouble/method-and-headers?a=%20b",
                "https://self.alt/trouble/method-and-headers?a=%20b",
            ] {
                let (status, received) = fetched(&guests, guest, url).await;
                assert_eq!(status, 200, "{guest} {url}");
                let request = &received["ok"];
                assert_eq!(request["scheme"], "http", "{guest} {url}");
                assert_eq!(request["authority"], origin);
                let path = "/trouble/method-and-headers?a=%20b";
                assert_eq!(request["path_with_query"], path);
                for (name, value) in [
                    ("host", origin.as_str()),
                    ("spin-full-url", &format!("http://{origin}{path}")),
                    ("spin-path-info", "/method-and-headers"),
                    ("spin-component-route", "/trouble"),
                    ("spin-client-addr", "127.0.0.1:0"),
                ] {
                    assert_eq!(header(&received, name), [value], "{guest} {url} {name}");
                }
            }
            let (status, _) = fetched(&guests, guest, "/nowhere").await;
            assert_eq!(status, 404, "{guest}");
            let url = "http://self/.well-known/spin/health";
            let answer = fetched(&guests, guest, url).await;
            assert_eq!(answer, (json!(200), json!("OK")), "{guest}");
        }
    }
}

#[tokio::test]
async fn a_guest_calls_a_component_past_the_routes() {
    for allowed in [
        "http://*.spin.internal",
        "http://hidden.spin.internal",
        "*://*:*",
    ] {
        let guests = allowing(allowed);
        for guest in GUESTS {
            let url = "http://Hidden.spin.internal/method-and-headers?x";
            let (status, received) = fetched(&guests, guest, url).await;
            assert_eq!(status, 200, "{guest} {received}");
            assert_eq!(received["ok"]["authority"], "hidden.spin.internal");
            for (name, values) in [
                ("host", &[][..]),
                (
                    "spin-full-url",
                    &["http://hidden.spin.internal/method-and-headers?x"],
                ),
                ("spin-path-info", &["/method-and-headers"]),
                ("spin-raw-component-route", &["/..."]),
                ("spin-component-route", &[""]),
                ("spin-matched-route", &["/..."]),
                ("spin-client-addr", &["0.0.0.0:0"]),
            ] {
                assert_eq!(header(&received, name), values, "{guest} {name}");
            }
        }
        // Nobody else reaches it.
        let answer = guests.host.http1().get("/hidden/status").await;
        assert_eq!(answer.status, 404);
    }
}

#[tokio::test]
async fn what_is_not_allowed_or_unknown_fails_in_words() {
    let guests = allowing("http://kv3.spin.internal");
    let itself = ["the application itself", "\"http://self\""];
    let component = [
        "http://hidden.spin.internal",
        "\"http://hidden.spin.internal\"",
    ];
    // The log has the first refusal to each guest in words, and counts the rest.
    for (guest, words, urls) in [
        (
            "outbound3",
            itself,
            ["/trouble/status", "http://hidden.spin.internal/"],
        ),
        (
            "outbound2",
            component,
            ["http://hidden.spin.internal/", "/trouble/status"],
        ),
    ] {
        let others = [
            "http://self/",
            "http://self.alt/",
            "https://kv3.spin.internal/",
        ];
        for url in urls.into_iter().chain(others) {
            let error = guests
                .error(&format!("{guest}/fetch"), &[("url", url)])
                .await;
            assert_eq!(error, "http-request-denied", "{guest} {url}");
        }
        let [what, entry] = words;
        guests
            .host
            .logged(&[guest, what, entry, "allowed_outbound_hosts"]);
        let (status, _) = fetched(&guests, guest, "http://kv3.spin.internal/get?key=a").await;
        assert_eq!(status, 200, "{guest}");
    }
    let guests = allowing("http://*.spin.internal");
    for guest in GUESTS {
        let args = [("url", "http://nobody.spin.internal/")];
        let error = guests.error(&format!("{guest}/fetch"), &args).await;
        assert!(error.starts_with("dns-error"), "{guest}: {error}");
        let words = "the application has no component 'nobody'";
        guests.host.logged(&[guest, words]);
    }
}

#[tokio::test]
async fn a_guest_cannot_forge_what_the_host_says_of_a_request() {
    let guests = allowing("*://*:*");
    for name in [
        "spin-full-url",
        "spin-client-addr",
        "spin-path-info",
        "spin-path-match-user",
    ] {
        let (url, forged) = ("/trouble/method-and-headers", format!("{name}: forged"));
        let args = [("url", url), ("header", &forged)];
        let answer = guests.ok("outbound3/fetch", &args).await;
        let body = answer["body"].as_str().expect("a body");
        assert!(
            body.contains("spin-full-url") && !body.contains("forged"),
            "{body}"
        );
    }
    // Nor can a client pass for a component.
    let mut connection = guests.host.connect().await;
    let request = "GET /trouble/method-and-headers HTTP/1.1\r\nhost: hidden.spin.internal\r\n\r\n";
    connection.send(request).await;
    let answer = connection.read_response().await;
    assert!(answer.contains("spin-full-url"), "{answer}");
    assert!(!answer.contains("spin.internal"), "{answer}");
}

#[tokio::test]
async fn an_own_request_is_a_transaction_of_its_own() {
    let guests = allowing("http://self");
    let client = guests.host.http1();
    for guest in GUESTS {
        // What it writes is committed before its answer, whatever comes of the caller.
        let increment = [("url", "/kv3/increment?key=own"), ("key", "own")];
        let path = format!("{guest}/fetch-and-set");
        let before = client.get("/kv3/get?key=own").await.expect(200);
        let before: u64 = before["ok"]
            .as_str()
            .map_or(0, |value| value.parse().expect("a number"));
        assert_eq!(guests.ok(&path, &increment).await, before + 2, "{guest}");
        // A caller that has read what the request changes is in conflict, and has had an effect.
        let path = format!("{guest}/get-fetch-set");
        let answer = guests.answer(&path, &increment, "").await;
        assert_eq!(answer.status, 409, "{guest}: {answer:?}");
        let after = client.get("/kv3/get?key=own").await.expect(200);
        assert_eq!(after["ok"], (before + 3).to_string(), "{guest}");
    }
}

#[tokio::test]
async fn a_component_that_asks_itself_without_an_end_is_told() {
    let guests = allowing("http://self");
    for guest in GUESTS {
        let error = guests.error(&format!("{guest}/pass-again"), &[]).await;
        assert_eq!(error, "loop-detected", "{guest}");
        guests
            .host
            .logged(&[guest, "8 such requests have led to one another"]);
    }
    assert_eq!(
        guests
            .ok("outbound3/fetch", &[("url", "/trouble/status")])
            .await["status"],
        200
    );
}

/// More callers at once than there are places: those that they call have some all the same.
#[tokio::test]
async fn callers_leave_places_to_those_that_they_call() {
    let args = ["--max-concurrent-requests", "8", "--queue-timeout", "20s"];
    let host = app("*://self").start(&args);
    let inner = target("outbound3/fetch", &[("url", "/trouble/slow?ms=20")]);
    let outer = target("outbound3/fetch", &[("url", &inner)]);
    let clients: Vec<_> = (0..16).map(|_| host.http1()).collect();
    let answers = join_all(clients.iter().map(|client| client.get_patiently(&outer))).await;
    for answer in answers {
        let answer = answer.expect(200);
        assert_eq!(answer["ok"]["status"], 200, "{answer}");
        let body = answer["ok"]["body"].as_str().expect("a body");
        assert!(body.contains("200"), "{body}");
    }
}

/// One request that asks for much at once leaves places to others.
#[tokio::test]
async fn a_request_waits_for_a_few_answers_at_once() {
    let host = app("http://self").start(&["--admin-listen", "127.0.0.1:0"]);
    let args = [("url", "/trouble/slow?ms=300"), ("times", "40")];
    let many = target("outbound3/fetch-at-once", &args);
    let (asking, other, admin) = (host.http1(), host.http1(), host.admin());
    let most = async {
        let mut most = 0.0_f64;
        for _ in 0..20 {
            other.get("/trouble/status").await.expect(200);
            most = most.max(admin.metric("spindrift_requests_under_way").await);
        }
        most
    };
    let (answer, most) = within("the answers", join(asking.get_patiently(&many), most)).await;
    assert_eq!(answer.expect(200)["ok"], 40);
    assert!((2.0..=18.0).contains(&most), "{most}");
}

#[tokio::test]
async fn bodies_go_both_ways_whole_and_as_they_come() {
    let command = app("*://self").command();
    let guests = Guests::start_command(command.args(&["--max-request-body", "1MiB"]));
    for guest in GUESTS {
        for bytes in ["0", "1", "100000", "900000"] {
            let args = [("url", "/trouble/echo"), ("bytes", bytes)];
            let answer = guests.ok(&format!("{guest}/post"), &args).await;
            assert_eq!(answer["status"], 200, "{guest} {bytes}");
            let length = answer["body"].as_str().expect("a body").len();
            assert_eq!(length.to_string(), bytes, "{guest}");
        }
        // More than any body may have, which the guest is told like any client.
        let args = [("url", "/trouble/echo"), ("bytes", "8000000")];
        let answer = guests.ok(&format!("{guest}/post"), &args).await;
        assert_eq!(answer["status"], 413, "{guest}");
        for bytes in [0, 1, 65_536, 1 << 20] {
            let url = format!("/trouble/big?bytes={bytes}");
            let answer = guests.ok(&format!("{guest}/fetch"), &[("url", &url)]).await;
            assert_eq!(
                answer["body"].as_str().expect("a body").len(),
                bytes,
                "{guest}"
            );
        }
    }
    for client in guests.host.clients() {
        let path = target(
            "outbound3/pass",
            &[("url", "/trouble/trickle?chunks=1000&ms=100")],
        );
        let response = client.open(Method::GET, &path, &[], "").await;
        let mut response = response.expect("the head of an answer");
        let frame = within("the first bytes", response.frame()).await;
        assert!(frame.expect("a body").is_ok(), "{:?}", client.version());
        drop(response);
        let path = target("outbound3/pass", &[("url", "/trouble/trap-after-head")]);
        assert_not_whole(&client, &path).await;
    }
}

/// An answer ends when its client has gone away, and its place is free.
#[tokio::test]
async fn a_client_that_goes_away_ends_what_is_done_for_it() {
    let args = ["--request-timeout", "600s", "--admin-listen", "127.0.0.1:0"];
    let host = app("http://self").start(&args);
    let admin = host.admin();
    let under_way = async |expected: f64| {
        eventually(format!("{expected} requests under way"), async || {
            let found = admin.metric("spindrift_requests_under_way").await;
            (found == expected).then_some(())
        })
        .await;
    };
    for url in [
        "/trouble/stall",
        "/trouble/spin",
        "/trouble/stall-after-head",
    ] {
        for guest in GUESTS {
            let path = target(&format!("{guest}/fetch"), &[("url", url)]);
            let client = host.http1();
            let asking = tokio::spawn(async move { client.get(&path).await });
            under_way(2.0).await;
            asking.abort();
            under_way(0.0).await;
        }
    }
}

/// A caller hears of its time being up, and what it waits for ends with it.
#[tokio::test]
async fn the_time_of_a_caller_is_that_of_what_it_waits_for() {
    let host: Host = app("http://self").start(&["--request-timeout", "1s"]);
    let client = host.http1();
    for guest in GUESTS {
        let path = target(
            &format!("{guest}/fetch"),
            &[("url", "/trouble/set-then-stall?key=late")],
        );
        assert_eq!(client.get_patiently(&path).await.status, 504, "{guest}");
    }
    let value = client.get("/kv3/get?key=late").await.expect(200);
    assert_eq!(value["ok"], Value::Null);
}
