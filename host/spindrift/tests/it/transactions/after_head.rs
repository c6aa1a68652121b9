//! What a guest writes after its response head went out commits one by one, and an error reaches the guest.

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;

use super::{set, value};
use crate::harness::{App, STORE, within};

/// The next chunk of a body as text; nothing at its end.
async fn chunk(body: &mut Incoming) -> Option<String> {
    let frame = within("a chunk of the body", body.frame()).await?;
    let data = frame
        .expect("a chunk")
        .into_data()
        .expect("a chunk of data");
    Some(String::from_utf8(data.to_vec()).expect("text"))
}

#[tokio::test]
async fn each_write_is_there_before_the_chunk_that_tells_of_it() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    for (client, key) in host.clients().into_iter().zip(["first", "second"]) {
        let path = format!("/kv3/hold?ms=150&key={key}");
        let response = client
            .open(Method::GET, &path, &[], "")
            .await
            .expect("a head");
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut told = String::new();
        let mut early = 0;
        while let Some(text) = chunk(&mut body).await {
            told.push_str(&text);
            let stored = value(&client, key).await;
            let stored = stored.as_str().expect("a value");
            // It may be further already, but never behind.
            assert!(
                stored >= &told[told.len() - 1..],
                "{told:?} was told, {stored:?} is stored"
            );
            early += usize::from(stored != "c");
        }
        assert_eq!(told, "abc");
        assert!(early > 0, "nothing was there before the last write");
        assert_eq!(value(&client, key).await, "c");
    }
}

#[tokio::test]
async fn what_was_written_before_the_head_is_there_with_it() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    let response = client
        .open(Method::GET, "/kv3/before-and-after?ms=500&key=k", &[], "")
        .await
        .expect("a head");
    assert_eq!(value(&client, "k").await, "before");
    let mut body = response.into_body();
    assert_eq!(chunk(&mut body).await.as_deref(), Some("after"));
    assert_eq!(value(&client, "k").await, "after");
}

#[tokio::test]
async fn a_handle_from_before_the_head_works_after_it() {
    let host = App::new().guest("kv3", STORE).start(&[]);
    let client = host.http1();
    set(&client, "k", "before").await;
    assert_eq!(
        client.get("/kv3/handle-after?ms=20&key=k").await.text(),
        "after"
    );
    assert_eq!(value(&client, "k").await, "after");
    assert_eq!(client.get("/kv3/late?ms=20&key=k").await.text(), "set");
    assert_eq!(value(&client, "k").await, "late");
}

#[tokio::test]
async fn an_error_after_the_head_reaches_the_guest() {
    // Room for one entry with a key and a value of five bytes together; an entry itself counts 64.
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--max-total-size", "69"]);
    let client = host.http1();
    assert_eq!(client.get("/kv3/late?key=k&ms=1").await.text(), "set");
    let answer = client.get("/kv3/late?key=another&ms=1").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(
        text.starts_with("error: other: store \"default\" is full"),
        "{text}"
    );
    assert_eq!(
        client.get("/kv3/late?store=none&ms=1").await.text(),
        "error: access-denied"
    );
    assert_eq!(value(&client, "another").await, json!(null));
    assert_eq!(value(&client, "k").await, "late");
}

#[tokio::test]
async fn a_request_that_was_not_committed_writes_nothing_later_either() {
    // Room for `k` with `after`, and not with `before`; an entry itself counts 64 bytes.
    let host = App::new()
        .guest("kv3", STORE)
        .start(&["--max-total-size", "70"]);
    let client = host.http1();
    client
        .get("/kv3/before-and-after?ms=100&key=k")
        .await
        .expect(507);
    // When this one has written, the other would long have.
    let answer = client.get("/kv3/late?ms=400&key=k").await;
    assert_eq!(answer.text(), "set");
    assert_eq!(value(&client, "k").await, "late");
    client.get("/kv3/delete?key=k").await.expect(200);

    client
        .get("/kv3/before-and-after?ms=100&key=k")
        .await
        .expect(507);
    assert_eq!(client.get("/kv3/late?ms=400&key=j").await.text(), "set");
    assert_eq!(value(&client, "k").await, json!(null));
}
