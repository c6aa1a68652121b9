//! What goes wrong in a handler of `wasi:http` 0.2, and what shows how a request reaches one.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use guest_request::{Target, json};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
    Scheme,
};

wasip2::http::proxy::export!(Trouble);

/// How many requests this instance has counted.
static COUNT: AtomicU64 = AtomicU64::new(0);

struct Trouble;

impl Guest for Trouble {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let target = Target::parse(&request.path_with_query().unwrap_or_default());
        match target.operation() {
            "trap" => panic!("a trap, as the request asked"),
            // Sends the head and some of the body, then traps.
            "trap-after-head" => respond(answer, 200, b"some", || {
                panic!("a trap after the head, as the request asked")
            }),
            // Sends the head and some of the body, then waits for a day.
            "stall-after-head" => respond(answer, 200, b"some", || pause(24 * 60 * 60 * 1_000)),
            "trickle" => trickle(answer, target.number("chunks", 3), target.number("ms", 10)),
            "big" => {
                let bytes = target.number("bytes", 1 << 20) as usize;
                respond(answer, 200, &vec![b'a'; bytes], || ());
            }
            // Returns without a word.
            "no-response" => drop(answer),
            "hold-bodies" => {
                let held = bodies(target.number("count", 1));
                pause(target.number("ms", 0));
                let count = held.len().to_string();
                respond(answer, 200, json::ok(count).as_bytes(), || ());
            }
            "error" => {
                ResponseOutparam::set(
                    answer,
                    Err(ErrorCode::InternalError(Some(
                        "as the request asked".into(),
                    ))),
                );
            }
            "count" => {
                let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
                respond(answer, 200, json::ok(count.to_string()).as_bytes(), || ());
            }
            "echo" => match body(&request) {
                Ok(body) => respond(answer, 200, &body, || ()),
                Err(error) => respond(
                    answer,
                    200,
                    json::error(error.to_string()).as_bytes(),
                    || (),
                ),
            },
            "method-and-headers" => {
                respond(answer, 200, json::ok(received(&request)).as_bytes(), || ())
            }
            _ => respond(
                answer,
                404,
                json::error("unknown operation").as_bytes(),
                || (),
            ),
        }
    }
}

/// Sends the head and the body, runs `then`, and only then ends the body.
fn respond(answer: ResponseOutparam, status: u16, body: &[u8], then: impl FnOnce()) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status code");
    let outgoing = response.body().expect("the response's only body");
    ResponseOutparam::set(answer, Ok(response));
    let mut stream = outgoing.write().expect("the body's only stream");
    // The client may have gone: nobody is left to tell.
    let sent = stream
        .write_all(body)
        .and_then(|()| Write::flush(&mut stream));
    drop(stream);
    then();
    if sent.is_ok() {
        let _ = OutgoingBody::finish(outgoing, None);
    }
}

/// So many responses that nobody reads, each with as much in its body as the host takes.
fn bodies(count: u64) -> Vec<(OutgoingResponse, OutgoingBody)> {
    let bodies = (0..count).map(|_| {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the response's only body");
        let stream = body.write().expect("the body's only stream");
        while let Ok(room @ 1..) = stream.check_write() {
            stream
                .write(&vec![b'a'; room as usize])
                .expect("as much as there is room for");
        }
        drop(stream);
        (response, body)
    });
    bodies.collect()
}

/// Sends `chunk 1\n`, `chunk 2\n` and so on, with a pause of `ms` milliseconds before each.
fn trickle(answer: ResponseOutparam, chunks: u64, ms: u64) {
    let response = OutgoingResponse::new(Fields::new());
    let outgoing = response.body().expect("the response's only body");
    ResponseOutparam::set(answer, Ok(response));
    let mut stream = outgoing.write().expect("the body's only stream");
    for number in 1..=chunks {
        pause(ms);
        let sent = writeln!(stream, "chunk {number}").and_then(|()| Write::flush(&mut stream));
        if sent.is_err() {
            // The client has gone.
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(outgoing, None);
}

fn pause(ms: u64) {
    subscribe_duration(ms * 1_000_000).block();
}

fn body(request: &IncomingRequest) -> std::io::Result<Vec<u8>> {
    let incoming = request.consume().expect("the request's only body");
    let mut stream = incoming.stream().expect("the body's only stream");
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    Ok(body)
}

/// The request line and every header as received, a header with several values several times.
fn received(request: &IncomingRequest) -> String {
    let method = match request.method() {
        Method::Other(name) => name,
        known => json::case_name(&known).to_uppercase(),
    };
    let scheme = request.scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    });
    let headers = request.headers().entries();
    let headers = headers
        .iter()
        .map(|(name, value)| json::array([json::string(name), json::bytes(Some(value))]));
    json::object([
        ("method", json::string(&method)),
        ("scheme", json::bytes(scheme)),
        ("authority", json::bytes(request.authority())),
        ("path_with_query", json::bytes(request.path_with_query())),
        ("headers", json::array(headers)),
    ])
}
