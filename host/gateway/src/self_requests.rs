//! Answers self-requests and local service chaining: the requests that components make to their own application. They are
//! never sent over a network.
//!
//! Such a request is one like any other: it has its own transaction, its own time, its own place among the requests under way, and
//! its body is held to the same limits.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use spindrift_runtime::{SelfRequest, SelfRequestHandler, SelfTarget, UnknownComponent};
use wasmtime_wasi_http::{Error, WasiBody};

use super::body_source::BodySource;
use super::dispatch::Gateway;
use super::response::GatewayBody;
use super::sending::Sending;
use super::service::Client;

/// What stands for the client's address where a path is asked for: as under Spin, the request comes from the same machine.
const BY_PATH: HeaderValue = HeaderValue::from_static("127.0.0.1:0");
/// The same where a component is asked for.
const BY_COMPONENT: HeaderValue = HeaderValue::from_static("0.0.0.0:0");

/// Where an application listens.
#[derive(Clone, Debug)]
pub struct BaseUrl {
    /// `http`, or `https` over TLS.
    pub scheme: Scheme,
    /// The host and port.
    pub authority: Authority,
}

impl BaseUrl {
    /// Of an application that listens on `address`.
    pub fn of(scheme: Scheme, address: SocketAddr) -> Self {
        // An address and a port always are an authority.
        let authority = Authority::try_from(address.to_string());
        BaseUrl {
            scheme,
            authority: authority.unwrap_or(Authority::from_static("localhost")),
        }
    }
}

impl SelfRequestHandler for Gateway {
    fn answer(
        self: Arc<Self>,
        own: SelfRequest,
    ) -> BoxFuture<'static, Result<Response<WasiBody>, UnknownComponent>> {
        async move {
            let client = client_of(&self, &own)?;
            let (mut parts, body) = own.request.into_parts();
            let path = parts.uri.path_and_query().cloned();
            // As it would come over a connection.
            parts.uri = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
            parts.version = Version::HTTP_11;
            if let Ok(host) = HeaderValue::from_str(client.default_authority.as_str()) {
                parts.headers.insert(HOST, host);
            }
            let request = Request::from_parts(parts, BodySource::Component(body));
            let response = self.answer_to(&client, request).await;
            Ok(into_wasi(response))
        }
        .boxed()
    }
}

/// The component that asks, as a client.
fn client_of(gateway: &Gateway, own: &SelfRequest) -> Result<Client, UnknownComponent> {
    let depth = own.depth;
    let SelfTarget::Component(id) = &own.target else {
        return Ok(Client {
            scheme: gateway.base_url.scheme.clone(),
            address: BY_PATH,
            default_authority: gateway.base_url.authority.clone(),
            depth,
            component: None,
        });
    };
    let component = gateway.service().and_then(|service| service.component(id));
    let component = component.ok_or(UnknownComponent)?;
    let authority = Authority::try_from(format!("{id}.spin.internal"));
    Ok(Client {
        scheme: Scheme::HTTP,
        address: BY_COMPONENT,
        default_authority: authority.map_err(|_| UnknownComponent)?,
        depth,
        component: Some(component),
    })
}

/// The response as the component gets it that asks.
fn into_wasi(response: Response<GatewayBody>) -> Response<WasiBody> {
    let (mut parts, body) = response.into_parts();
    // Over a connection it would have it, too.
    if let Some(length @ 1..) = body.size_hint().exact() {
        let headers = &mut parts.headers;
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(parts, SelfResponseBody(body).boxed_unsync())
}

/// The body of a response to a component. What the component has not read stays on the budget.
struct SelfResponseBody(GatewayBody);

impl Body for SelfResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // The task may be one that sends something to a client, to which this does not belong.
        let frame = Sending::without(|| Pin::new(&mut self.get_mut().0).poll_frame(cx));
        frame.map_ok(|frame| frame.map_data(Bytes::from_owner))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
