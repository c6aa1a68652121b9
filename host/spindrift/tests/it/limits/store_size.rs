//! A store that is full.

use serde_json::json;

use super::detail;
use crate::harness::Host;

#[tokio::test]
async fn a_full_store_still_reads_and_deletes() {
    let host = Host::start(&["--max-total-size", "10000"]);
    for client in host.clients() {
        let put = async |key: &str, bytes: usize| {
            client
                .put(
                    "/put",
                    json!({"key": key, "value": "v".repeat(bytes)}).to_string(),
                )
                .await
        };
        put("a", 4000).await.expect(200);
        put("b", 4000).await.expect(200);
        let full = put("c", 4000).await;
        let told = detail(&full, 507);
        assert!(told.contains("default") && told.contains("10000"), "{told}");
        // A larger value in place of a smaller one, as well.
        detail(&put("b", 8000).await, 507);
        // Nothing of it was written.
        client.get("/get/c").await.expect(404);
        assert_eq!(
            client.get("/get/b").await.expect(200)["value"],
            "v".repeat(4000)
        );
        // A smaller one, and the same again, are no growth.
        put("b", 4000).await.expect(200);
        put("b", 3000).await.expect(200);
        client.delete("/delete/a").await.expect(200);
        put("c", 4000).await.expect(200);
        for key in ["b", "c"] {
            client.delete(&format!("/delete/{key}")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn what_is_deleted_makes_room_every_time() {
    let host = Host::start(&["--max-total-size", "10000"]);
    let client = host.http1();
    for round in 0..50 {
        let key = format!("key-{round}");
        let body = json!({"key": key, "value": "v".repeat(9000)}).to_string();
        client.put("/put", body).await.expect_for(200, &key);
        client
            .delete(&format!("/delete/{key}"))
            .await
            .expect_for(200, &key);
    }
}

#[tokio::test]
async fn the_507_is_in_the_log_with_its_id() {
    let host = Host::start(&["--max-total-size", "100"]);
    let answer = host
        .http1()
        .put(
            "/put",
            json!({"key": "k", "value": "v".repeat(100)}).to_string(),
        )
        .await;
    detail(&answer, 507);
    let id = answer.json()["request_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let line = host.logged(&[&id]);
    assert!(
        line.contains("WARN") && line.contains("507") && line.contains("/put"),
        "{line}"
    );
}

#[test]
fn a_start_that_asks_for_more_memory_than_there_is_says_so_once() {
    let told = ["--max-total-size", "--memory-budget", "may be killed"];
    let host = Host::start(&["--max-total-size", "1000TiB", "--memory-budget", "64MiB"]);
    host.logged(&told);
    let lines = host.log();
    let about = lines.iter().filter(|line| line.contains(told[2]));
    assert_eq!(about.count(), 1, "{lines:#?}");

    // The defaults fit wherever tests run.
    let host = Host::start(&[]);
    let lines = host.log();
    assert!(
        !lines.iter().any(|line| line.contains(told[2])),
        "{lines:#?}"
    );
}
