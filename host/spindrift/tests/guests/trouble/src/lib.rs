//! Everything that goes wrong in a handler of `wasi:http` 0.3, and what shows how a request reaches one.
//!
//! `ms` is a time in milliseconds, `key` a key of the store `default`.

mod after_head;
mod inspect;
mod limits;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{Error, Request};
use spin_sdk::http_service;
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::types::{ErrorCode, Response};

/// How many requests this instance has counted.
static COUNT: AtomicU64 = AtomicU64::new(0);

#[http_service]
async fn handle(request: Request) -> Result<Response, Error> {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let done = || whole(200, json::ok("true"));
    Ok(match target.operation() {
        // Ends without an answer.
        "trap" => panic!("a trap, as the request asked"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(target.number("code", 0) as i32),
        "error" => {
            return Err(ErrorCode::InternalError(Some("as the request asked".into())).into());
        }

        // Takes its time, or does not come back.
        "slow" => {
            sleep(Duration::from_millis(target.number("ms", 0))).await;
            done()
        }
        "spin" => limits::spin(),
        "stall" => {
            sleep(Duration::from_secs(24 * 60 * 60)).await;
            done()
        }
        // Awaits what nothing will ever wake.
        "deadlock" => std::future::pending().await,

        // Breaches limits.
        "alloc" => limits::alloc(target.number("mb", 1)),
        "set-then-alloc" => {
            store::set(&target)
                .await
                .expect("a write before the memory");
            limits::alloc(target.number("mb", 1))
        }
        "long" => limits::long(target.number("bytes", 1 << 20) as usize),
        "recurse" => limits::recurse(),
        "huge-header" => limits::huge_header(target.number("bytes", 100_000) as usize),
        "many-headers" => limits::many_headers(target.number("count", 1_000)),

        // Never gives back what it takes from the host.
        "leak-fields" => limits::leak_fields(target.number("times", 1)),
        "hold-fields" => {
            let held = limits::fields(target.number("count", 1), target.number("bytes", 1));
            sleep(Duration::from_millis(target.number("ms", 0))).await;
            whole(200, json::ok(held.len().to_string()))
        }
        "leak-streams" => limits::leak_streams(target.number("times", 1)),

        // Writes to the store, then goes wrong.
        "set-then-trap" => panic!("a trap after a write: {:?}", store::set(&target).await),
        "set-then-exit" => {
            store::set(&target).await.expect("a write before the exit");
            std::process::exit(0)
        }
        "set-then-error" => {
            store::set(&target)
                .await
                .map_err(|error| Error::other(error.to_string()))?;
            return Err(ErrorCode::InternalError(Some("after a write".into())).into());
        }
        "set-then-stall" => {
            store::set(&target).await.expect("a write before the stall");
            sleep(Duration::from_secs(24 * 60 * 60)).await;
            done()
        }
        "set-then-spin" => {
            store::set(&target).await.expect("a write before the loop");
            limits::spin()
        }
        "set-then-500" => match store::set(&target).await {
            Ok(()) => whole(500, json::ok("true")),
            Err(error) => whole(200, json::error(json::case_name(&error))),
        },

        // Answers with bodies that take a while, end early or never.
        "big" => after_head::big(target.number("bytes", 1 << 20) as usize),
        "trickle" => after_head::trickle(target.number("chunks", 3), target.number("ms", 10)),
        "trap-after-head" => after_head::trap(),
        "stall-after-head" => after_head::stall(),
        "spin-after-head" => after_head::spin(),

        // Shows what the host does.
        "print" => inspect::print(&target.text("text", "printed")),
        "print-lines" => inspect::print_lines(target.number("count", 1)),
        "count" => whole(
            200,
            json::ok((COUNT.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
        ),
        "echo" => {
            let body = request.into_body().bytes().await?;
            whole(200, body)
        }
        "method-and-headers" => inspect::method_and_headers(&request),
        "status" => whole(target.number("status", 200) as u16, json::ok("true")),
        _ => whole(404, json::error("unknown operation")),
    })
}
