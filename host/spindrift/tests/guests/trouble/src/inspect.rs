//! Shows a request as it reached the guest, and what a guest prints.

use guest_request::json;
use guest_response03::whole;
use spin_sdk::http::Request;
use spin_sdk::wasip3::http::types::Response;

/// Writes lines to both outputs, the last ones without an end of line.
pub fn print(text: &str) -> Response {
    println!("stdout: {text}");
    eprintln!("stderr: {text}");
    print!("stdout, unfinished: {text}");
    eprint!("stderr, unfinished: {text}");
    whole(200, json::ok("true"))
}

/// Writes so many numbered lines.
pub fn print_lines(count: u64) -> Response {
    for number in 1..=count {
        println!("line {number}");
    }
    whole(200, json::ok("true"))
}

/// The request line and every header as received, a header with several values several times.
pub fn method_and_headers(request: &Request) -> Response {
    let uri = request.uri();
    let headers = request.headers().iter().map(|(name, value)| {
        json::array([
            json::string(name.as_str()),
            json::bytes(Some(value.as_bytes())),
        ])
    });
    let received = json::object([
        ("method", json::string(request.method().as_str())),
        ("scheme", json::bytes(uri.scheme_str())),
        (
            "authority",
            json::bytes(uri.authority().map(|authority| authority.as_str())),
        ),
        (
            "path_with_query",
            json::bytes(uri.path_and_query().map(|target| target.as_str())),
        ),
        ("headers", json::array(headers)),
    ]);
    whole(200, json::ok(received))
}
