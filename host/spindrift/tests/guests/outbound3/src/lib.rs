//! What goes out of a component of today's SDK: HTTP 0.3, sockets 0.2 (the standard library's) and 0.3.
//!
//! `url` is where a request goes, `header` (`name: value`) what it has beside its own, `bytes` how long the body is that it has,
//! `addr` is `host:port` for a socket, and for a request that stays unfinished.

mod kept;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{self, EmptyBody, IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::key_value::{Error, Store};
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::types::{ErrorCode, Response};
use spin_sdk::wasip3::sockets::types::{
    IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket,
};
use wasip2::http::outgoing_handler;
use wasip2::http::types as http02;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let outcome = match target.operation() {
        "fetch" => fetch_with(&target.text("url", ""), &target.text("header", ""))
            .await
            .map_err(|code| json::case_name(&code)),
        "post" => post(&target).await.map_err(|code| json::case_name(&code)),
        "fetch-and-set" | "get-fetch-set" => fetch_and_set(&target).await,
        // Answers with the URL's own response, as it comes.
        "pass" => match pass(&target.text("url", "")).await {
            Ok(response) => return response,
            Err(code) => Err(json::case_name(&code)),
        },
        // The same with its own path, without an end.
        "pass-again" => match pass("http://self/outbound3/pass-again").await {
            Ok(response) => return response,
            Err(code) => Err(json::case_name(&code)),
        },
        "relative02" => relative02(&target.text("url", "")).map_err(|code| json::case_name(&code)),
        "fetch-at-once" => fetch_at_once(&target)
            .await
            .map_err(|code| json::case_name(&code)),
        "socket" => socket02(&target.text("addr", "")).map(|_| "true".into()),
        "socket3" => socket03(&target.text("addr", ""))
            .await
            .map(|_| "true".into()),
        // Keeps the instance's end of something for `write-kept`.
        "keep-request03" => kept::request03(&target.text("addr", ""))
            .await
            .map_err(|code| json::case_name(&code)),
        "keep-request02" => {
            kept::request02(&target.text("addr", "")).map_err(|code| json::case_name(&code))
        }
        "keep-incoming03" => kept::incoming03(&target.text("addr", ""))
            .await
            .map_err(|code| json::case_name(&code)),
        "keep-incoming02" => {
            kept::incoming02(&target.text("addr", "")).map_err(|code| json::case_name(&code))
        }
        "keep-socket03" => socket03(&target.text("addr", "")).await.map(|socket| {
            kept::socket03(socket);
            "true".into()
        }),
        "keep-socket02" => socket02(&target.text("addr", "")).map(|socket| {
            kept::socket02(socket);
            "true".into()
        }),
        "keep-response" => {
            // Something went out before: then the host takes another way with the body.
            match fetch(&target.text("url", "")).await {
                Ok(_) => return kept::response(),
                Err(code) => Err(json::case_name(&code)),
            }
        }
        "write-kept" => kept::write(&target).await,
        _ => return whole(404, json::error("unknown operation")),
    };
    match outcome {
        Ok(value) => whole(200, json::ok(value)),
        Err(error) => whole(200, json::error(error)),
    }
}

/// GETs the URL: its status and body.
async fn fetch(url: &str) -> Result<String, ErrorCode> {
    fetch_with(url, "").await
}

/// The same with a header, if there is one.
async fn fetch_with(url: &str, header: &str) -> Result<String, ErrorCode> {
    let mut request = Request::get(url);
    if let Some((name, value)) = header.split_once(": ") {
        request = request.header(name, value);
    }
    let request = request.body(EmptyBody::new()).expect("a request");
    received(http::send(request).await?).await
}

/// The response of the URL.
async fn pass(url: &str) -> Result<Response, ErrorCode> {
    http::get(url).await?.into_response()
}

/// GETs the URL so many `times` at once: how often the status was 200. Ends with the first error.
async fn fetch_at_once(target: &Target) -> Result<String, ErrorCode> {
    let url = target.text("url", "");
    let mut pending: Vec<_> = (0..target.number("times", 1))
        .map(|_| Box::pin(http::get(&url)))
        .collect();
    let mut good = 0;
    poll_fn(|cx| {
        let mut failed = None;
        pending.retain_mut(|answer| match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => {
                good += u32::from(answer.status() == 200);
                false
            }
            Poll::Ready(Err(code)) => {
                failed = Some(code);
                false
            }
            Poll::Pending => true,
        });
        match failed {
            Some(code) => Poll::Ready(Err(code)),
            None if pending.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await?;
    Ok(good.to_string())
}

/// GETs a relative URL through `wasi:http` 0.2, without an authority: the status.
fn relative02(url: &str) -> Result<String, http02::ErrorCode> {
    let request = http02::OutgoingRequest::new(http02::Fields::new());
    request.set_path_with_query(Some(url)).expect("a path");
    let outgoing = request.body().expect("its body");
    let pending = outgoing_handler::handle(request, None)?;
    http02::OutgoingBody::finish(outgoing, None)?;
    pending.subscribe().block();
    let response = pending.get().expect("an answer").expect("the first look")?;
    Ok(response.status().to_string())
}

/// POSTs so many bytes to the URL.
async fn post(target: &Target) -> Result<String, ErrorCode> {
    let body = vec![b'p'; target.number("bytes", 0) as usize];
    received(http::post(target.text("url", ""), body).await?).await
}

async fn received(response: http::Response) -> Result<String, ErrorCode> {
    let status = response.status().as_u16().to_string();
    let body = response.into_body().bytes().await?;
    Ok(json::object([
        ("status", status),
        ("body", json::bytes(Some(body))),
    ]))
}

/// An increment of `key` with a fetch before it (and a pause of `wait` ms in it), or with the fetch in it.
async fn fetch_and_set(target: &Target) -> Result<String, String> {
    let (key, url) = (target.text("key", "key"), target.text("url", ""));
    let store = Store::open_default().await.map_err(store_error)?;
    let early = target.operation() == "fetch-and-set";
    if early {
        fetch(&url).await.map_err(|code| json::case_name(&code))?;
    }
    let value = store.get(&key).await.map_err(store_error)?;
    if early {
        sleep(Duration::from_millis(target.number("wait", 0))).await;
    } else {
        fetch(&url).await.map_err(|code| json::case_name(&code))?;
    }
    let count: i64 = value
        .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
        .unwrap_or(0)
        + 1;
    store
        .set(&key, count.to_string())
        .await
        .map_err(store_error)?;
    Ok(count.to_string())
}

fn store_error(error: Error) -> String {
    json::case_name(&error)
}

/// Connects through `wasi:sockets` 0.2. A name is looked up first.
fn socket02(addr: &str) -> Result<std::net::TcpStream, String> {
    std::net::TcpStream::connect(addr).map_err(|error| format!("{:?}: {error}", error.kind()))
}

/// Connects through `wasi:sockets` 0.3. IPv4 addresses only.
async fn socket03(addr: &str) -> Result<TcpSocket, String> {
    let addr: std::net::SocketAddrV4 = addr
        .parse()
        .map_err(|_| format!("no IPv4 address and port: `{addr}`"))?;
    let [a, b, c, d] = addr.ip().octets();
    let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: addr.port(),
        address: (a, b, c, d),
    });
    let socket =
        TcpSocket::create(IpAddressFamily::Ipv4).map_err(|error| json::case_name(&error))?;
    socket
        .connect(remote)
        .await
        .map_err(|error| json::case_name(&error))?;
    Ok(socket)
}
