//! Requests that components make to their own application: self-requests (`http://self`), and local service chaining
//! (`http://ID.spin.internal`). They do not leave the process.
//!
//! The runtime does not know how a request is answered: what serves the application does, and is handed in once there is one.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use spindrift_app::{AllowedHosts, internal_component};
use spindrift_failures::{Excerpt, Kind, log_failure};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// How many requests of the application to itself may lead to one another. One more is refused: a component that asks itself
/// would otherwise do so until there is no place left.
pub const MAX_DEPTH: usize = 8;

/// How many requests of the application to itself one request may wait for the answers of. Others wait for these, so that one
/// request does not take the places of all.
const AT_ONCE: usize = 16;

/// How long a guest waits for an answer that does not say so, as Wasmtime has it for other servers.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(600);

/// The host that stands for the application, for guests whose URLs need one.
pub(crate) const ITSELF: &str = "self.alt";

/// What answers the requests of an application to itself.
pub trait SelfRequestHandler: Send + Sync {
    /// Answers one. Dropped, it ends what it has begun.
    fn answer(
        self: Arc<Self>,
        own: SelfRequest,
    ) -> BoxFuture<'static, Result<Response<WasiBody>, UnknownComponent>>;
}

/// A request that a component makes to its own application.
pub struct SelfRequest {
    /// The request as the component has made it. Which host it names does not count.
    pub request: Request<WasiBody>,
    /// What is to answer it.
    pub target: SelfTarget,
    /// How many requests of the application to itself have led to it, itself included: from 1 to [`MAX_DEPTH`].
    pub depth: usize,
}

/// What is to answer an [`SelfRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfTarget {
    /// Whatever answers its path.
    Routes,
    /// The component of this id, whatever the path.
    Component(String),
}

/// The application has no component of the id that an [`SelfTarget`] names.
#[derive(Clone, Copy, Debug)]
pub struct UnknownComponent;

impl SelfTarget {
    /// What is to answer a request to `uri`, if that is the application itself: it names no host, `self`, `self.alt`, or
    /// `ID.spin.internal`.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        // Some SDKs give a relative URL an authority of a port alone.
        let host = uri.host().unwrap_or_default();
        let names = ["", "self", ITSELF];
        if names.iter().any(|name| host.eq_ignore_ascii_case(name)) {
            return Some(SelfTarget::Routes);
        }
        let component = internal_component(host)?;
        Some(SelfTarget::Component(component.to_ascii_lowercase()))
    }

    /// Whether a component with these allowed hosts may make a request to `uri`, which is to this target.
    pub(crate) fn is_allowed(&self, allowed: &AllowedHosts, uri: &Uri) -> bool {
        match self {
            SelfTarget::Routes => allowed.allows_itself(),
            SelfTarget::Component(_) => {
                let scheme = uri.scheme_str().unwrap_or("http");
                let host = uri.host().unwrap_or_default();
                allowed.allows(scheme, host, uri.port_u16())
            }
        }
    }
}

/// Where requests of the application to itself go, from when there is something that answers them.
#[derive(Clone, Default)]
pub struct HandlerCell(Arc<OnceLock<Weak<dyn SelfRequestHandler>>>);

impl HandlerCell {
    /// Has `answers` answer them. The first one stays.
    pub(crate) fn set(&self, answers: Weak<dyn SelfRequestHandler>) {
        // The application is served once.
        let _ = self.0.set(answers);
    }
}

/// Sends the self-requests of one component.
#[derive(Clone)]
pub(crate) struct SelfRequestClient {
    component: Arc<str>,
    answers: HandlerCell,
    depth: usize,
    at_once: Arc<Semaphore>,
}

impl SelfRequestClient {
    /// On behalf of a request that as many others as `depth` have led to.
    pub(crate) fn new(component: Arc<str>, answers: HandlerCell, depth: usize) -> Self {
        SelfRequestClient {
            component,
            answers,
            depth,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The same for the next request of the component.
    pub(crate) fn serve(&mut self, depth: usize) {
        self.depth = depth;
        // The request before may still wait for something.
        if self.at_once.available_permits() < AT_ONCE {
            self.at_once = Arc::new(Semaphore::new(AT_ONCE));
        }
    }

    /// Whether the request may ask for anything.
    ///
    /// # Errors
    ///
    /// As many requests have led to it as may. The log says so.
    pub(crate) fn check_depth(&self) -> Result<(), Error> {
        if self.depth < MAX_DEPTH {
            return Ok(());
        }
        let component = &*self.component;
        log_failure!(
            WARN,
            Kind::RefusedOutbound,
            component,
            component,
            "a request to the application itself was refused: {MAX_DEPTH} such requests have led to one another, which is the \
             most; does the component ask itself without an end?"
        );
        Err(Error::LoopDetected)
    }

    /// The answer to `request`, once its head is there.
    ///
    /// # Errors
    ///
    /// There is no such component, which is in the log, or no answer in time.
    pub(crate) async fn send(
        self,
        request: Request<WasiBody>,
        target: SelfTarget,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let answers = self.answers.0.get().and_then(Weak::upgrade);
        let answers = answers.ok_or(Error::DestinationUnavailable)?;
        let patience = options.and_then(|options| options.first_byte_timeout);
        let own = SelfRequest {
            request,
            target: target.clone(),
            depth: self.depth + 1,
        };
        let answer = async {
            // It is never closed.
            let _place = self.at_once.acquire().await;
            // In a task of its own: this may be polled on the stack of a guest, which is no place to run another on.
            AbortOnDropHandle::new(tokio::spawn(answers.answer(own))).await
        };
        match timeout(patience.unwrap_or(FIRST_BYTE_TIMEOUT), answer).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(UnknownComponent))) => Err(self.unknown(&target)),
            Ok(Err(failed)) => Err(Error::InternalError(Some(failed.to_string()))),
            Err(_) => Err(Error::ConnectionReadTimeout),
        }
    }

    fn unknown(&self, target: &SelfTarget) -> Error {
        if let SelfTarget::Component(id) = target {
            let (component, id) = (&*self.component, Excerpt(id));
            log_failure!(
                WARN,
                Kind::RefusedOutbound,
                component,
                component,
                "outgoing request to {id}.spin.internal failed: the application has no component '{id}'"
            );
        }
        Error::DnsError {
            rcode: Some("NXDOMAIN".to_owned()),
            info_code: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_the_application_or_one_of_its_components() {
        for (uri, expected) in [
            ("/path", Some(SelfTarget::Routes)),
            ("http://:80/path", Some(SelfTarget::Routes)),
            ("http://self/", Some(SelfTarget::Routes)),
            ("https://SELF.alt:81/a?b", Some(SelfTarget::Routes)),
            (
                "http://One-two.spin.internal/a",
                Some(SelfTarget::Component("one-two".to_owned())),
            ),
            (
                "http://a.b.spin.internal.:80/",
                Some(SelfTarget::Component("a.b".to_owned())),
            ),
            (
                "http://a.spin.internal../",
                Some(SelfTarget::Component("a".to_owned())),
            ),
            ("http://spin.internal/", None),
            ("http://self.test/", None),
            ("http://a.self/", None),
            ("http://a.spin.internal.test/", None),
        ] {
            let uri = uri.parse().expect("a URI");
            assert_eq!(SelfTarget::of(&uri), expected, "{uri}");
        }
    }
}
