//! What goes out through something that the instance keeps from an earlier request, and what comes in.

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use guest_request::{Target, json};
use spin_sdk::key_value::Store;
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use spin_sdk::wasip3::sockets::types::{ErrorCode as SocketError, TcpSocket};
use spin_sdk::wasip3::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamWriter};
use spin_sdk::wasip3::{wit_future, wit_stream};
use wasip2::http::outgoing_handler;
use wasip2::http::types as http02;
use wasip2::io::streams::{InputStream, OutputStream};

type Trailers = FutureWriter<Result<Option<Fields>, ErrorCode>>;
/// The trailers of an answer, which come after its body.
type Arriving = FutureReader<Result<Option<Fields>, ErrorCode>>;
type Sent<E> = FutureReader<Result<(), E>>;

/// How much is read of a kept body at a time, in bytes.
const PIECE: usize = 3;

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Where more can be written or read, with all that has to live for that.
enum Kept {
    Request03 {
        body: StreamWriter<u8>,
        _rest: (Trailers, Sent<ErrorCode>, Response),
    },
    Request02 {
        body: OutputStream,
        _rest: (
            http02::OutgoingBody,
            http02::IncomingResponse,
            http02::FutureIncomingResponse,
        ),
    },
    Socket03 {
        stream: StreamWriter<u8>,
        _rest: (Sent<SocketError>, TcpSocket),
    },
    Socket02(TcpStream),
    Response {
        body: StreamWriter<u8>,
        _rest: (Trailers, Sent<ErrorCode>),
    },
    Incoming03 {
        body: StreamReader<u8>,
        _rest: (
            Arriving,
            FutureWriter<Result<(), ErrorCode>>,
            Sent<ErrorCode>,
        ),
    },
    Incoming02 {
        body: InputStream,
        _rest: (
            http02::IncomingBody,
            http02::IncomingResponse,
            http02::FutureIncomingResponse,
        ),
    },
}

impl Kept {
    /// Writes `text`, or reads on.
    async fn use_with(&mut self, text: &str) {
        match self {
            Kept::Request03 { body, .. } | Kept::Response { body, .. } => {
                body.write_all(text.into()).await;
            }
            Kept::Socket03 { stream, .. } => {
                stream.write_all(text.into()).await;
            }
            Kept::Request02 { body, .. } => body
                .blocking_write_and_flush(text.as_bytes())
                .expect("an open body"),
            Kept::Socket02(socket) => socket
                .write_all(text.as_bytes())
                .expect("an open connection"),
            Kept::Incoming03 { body, .. } => {
                let (_, read) = body.read(Vec::with_capacity(PIECE)).await;
                assert_eq!(read.len(), PIECE, "more of the body");
            }
            Kept::Incoming02 { body, .. } => {
                let read = body.blocking_read(PIECE as u64).expect("an open body");
                assert_eq!(read.len(), PIECE, "more of the body");
            }
        }
    }
}

/// Sets where a request goes.
fn direct03(request: &Request, authority: &str) {
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    request.set_path_with_query(Some("/")).expect("a path");
}

/// The same for `wasi:http` 0.2.
fn direct02(request: &http02::OutgoingRequest, authority: &str) {
    request
        .set_scheme(Some(&http02::Scheme::Http))
        .expect("a scheme");
    request
        .set_authority(Some(authority))
        .expect("an authority");
    request.set_path_with_query(Some("/")).expect("a path");
}

/// Sends a request to `authority` whose body is not finished, through `wasi:http` 0.3, and keeps the body.
pub async fn request03(authority: &str) -> Result<String, ErrorCode> {
    let (body, contents) = wit_stream::new();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let (request, sent) = Request::new(Fields::new(), Some(contents), trailers, None);
    request.set_method(&Method::Post).expect("a method");
    direct03(&request, authority);
    let response = client::send(request).await?;
    KEPT.set(Some(Kept::Request03 {
        body,
        _rest: (trailers_writer, sent, response),
    }));
    Ok("true".into())
}

/// The same through `wasi:http` 0.2.
pub fn request02(authority: &str) -> Result<String, http02::ErrorCode> {
    let request = http02::OutgoingRequest::new(http02::Fields::new());
    request.set_method(&http02::Method::Post).expect("a method");
    direct02(&request, authority);
    let outgoing = request.body().expect("its body");
    let body = outgoing.write().expect("the body's stream");
    let pending = outgoing_handler::handle(request, None)?;
    pending.subscribe().block();
    let response = pending.get().expect("an answer").expect("the first look")?;
    KEPT.set(Some(Kept::Request02 {
        body,
        _rest: (outgoing, response, pending),
    }));
    Ok("true".into())
}

/// Sends a whole request to `authority` through `wasi:http` 0.3, and keeps the body of the response.
pub async fn incoming03(authority: &str) -> Result<String, ErrorCode> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, sent) = Request::new(Fields::new(), None, trailers, None);
    direct03(&request, authority);
    let response = client::send(request).await?;
    let (read, outcome) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, outcome);
    KEPT.set(Some(Kept::Incoming03 {
        body,
        _rest: (trailers, read, sent),
    }));
    Ok("true".into())
}

/// The same through `wasi:http` 0.2.
pub fn incoming02(authority: &str) -> Result<String, http02::ErrorCode> {
    let request = http02::OutgoingRequest::new(http02::Fields::new());
    direct02(&request, authority);
    let outgoing = request.body().expect("its body");
    let pending = outgoing_handler::handle(request, None)?;
    http02::OutgoingBody::finish(outgoing, None)?;
    pending.subscribe().block();
    let response = pending.get().expect("an answer").expect("the first look")?;
    let incoming = response.consume().expect("its body");
    let body = incoming.stream().expect("the body's stream");
    KEPT.set(Some(Kept::Incoming02 {
        body,
        _rest: (incoming, response, pending),
    }));
    Ok("true".into())
}

/// Keeps a connection of `wasi:sockets` 0.2.
pub fn socket02(socket: TcpStream) {
    KEPT.set(Some(Kept::Socket02(socket)));
}

/// Keeps a connection of `wasi:sockets` 0.3.
pub fn socket03(socket: TcpSocket) {
    let (stream, contents) = wit_stream::new();
    let sent = socket.send(contents);
    KEPT.set(Some(Kept::Socket03 {
        stream,
        _rest: (sent, socket),
    }));
}

/// A response whose body is kept.
pub fn response() -> Response {
    let (body, contents) = wit_stream::new();
    let (trailers_writer, trailers) = wit_future::new(|| Ok(None));
    let (response, sent) = Response::new(Fields::new(), Some(contents), trailers);
    KEPT.set(Some(Kept::Response {
        body,
        _rest: (trailers_writer, sent),
    }));
    response
}

/// Reads `key`, writes `text` to what was kept or reads on in it, if anything was, and sets the key to that, with a pause of `wait`
/// milliseconds after the reading.
pub async fn write(target: &Target) -> Result<String, String> {
    let (key, text) = (target.text("key", "key"), target.text("text", "text"));
    let store = Store::open_default()
        .await
        .map_err(|error| json::case_name(&error))?;
    store
        .get(&key)
        .await
        .map_err(|error| json::case_name(&error))?;
    sleep(Duration::from_millis(target.number("wait", 0))).await;
    if let Some(mut kept) = KEPT.take() {
        kept.use_with(&text).await;
        KEPT.set(Some(kept));
    }
    store
        .set(&key, text)
        .await
        .map_err(|error| json::case_name(&error))?;
    Ok("true".into())
}
