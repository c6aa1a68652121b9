//! [`serve`]: a connection with its time-outs, from its first byte to its end.
//!
//! Hyper knows one time-out for the head of a request of HTTP/1, which runs while a connection is idle, too, and none for idle
//! connections of HTTP/2. So the time-outs are kept here: [`Activity`] has what goes on on the connection, and it is looked at
//! from time to time.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::TRANSFER_ENCODING;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::{Builder, HttpServerConnExec};
use spindrift_failures::WithCauses;
use spindrift_memory::{Budget, Spent};
use spindrift_net::event_loop::seldom;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::answering::{Answering, TrackedBody};
use super::arriving_body::ArrivingBody;
use super::stream::Watched;
use super::timeouts::{Due, Timeouts};

/// How long a server that goes down waits for a client to send what it has begun to send, or to read an answer.
pub(crate) const GIVE_UP: Duration = Duration::from_millis(1500);

/// How long an idle connection may take to close: on HTTP/2, the client is told first, and has to say that it knows.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What a client has to read in [`GIVE_UP`] to be waited for longer, in bytes.
const PROGRESS: u64 = 1024;

/// The pause until bytes are read that are known to have arrived.
const ARRIVING: Duration = Duration::from_millis(10);

/// Longer than any connection lives: hyper is to end none by itself.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There was no request on it for too long.
    Idle,
    /// The client took too long with the head of a request, or with an answer.
    Late,
    /// Either side has closed it, or it had to make room.
    Closed,
}

/// How far the end of a connection is.
enum Phase {
    /// It is not to end.
    Open,
    /// The server goes down. A head that has begun to arrive is waited for until this time.
    Leaving(Instant),
    /// It ends with what is under way. So much was written when it was last looked at, and the host still worked for it then, or
    /// did not.
    Closing {
        written: u64,
        worked: bool,
        within: Duration,
    },
}

/// What serving a connection is interrupted for.
enum Interrupt {
    /// It has to make room for another.
    Evicted,
    /// The server goes down.
    GoingDown,
    /// It is to be looked at.
    Look,
}

/// What to do after a look at a connection.
enum Step {
    LookAt(Instant),
    Close,
    End(End),
}

/// Has `answer` answer what is asked on a connection, until either side closes it, or a time-out of `timeouts` does, or until
/// `close`: then what is under way is finished, as long as the client is not waited for for longer than `GIVE_UP`. What comes of
/// heads is on the budget `memory` until they are complete.
pub async fn serve<S, E, A, F, B>(
    builder: &Builder<E>,
    stream: S,
    activity: Arc<Activity>,
    memory: &Arc<Budget>,
    timeouts: &Timeouts,
    close: &CancellationToken,
    answer: A,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: HttpServerConnExec<F, TrackedBody<B>> + Clone,
    A: Fn(Request<ArrivingBody>, Answering) -> F,
    F: Future<Output = Result<Response<TrackedBody<B>>, Spent>> + 'static,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut builder = builder.clone();
    builder
        .http1()
        .timer(HeadWait(activity.clone()))
        .header_read_timeout(NEVER);
    let service = {
        let activity = activity.clone();
        service_fn(move |request: Request<Incoming>| {
            let has_body = !request.body().is_end_stream();
            let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
            let request = request.map(|body| ArrivingBody::new(body, activity.clone()));
            answer(
                request,
                Answering::begin(activity.clone(), has_body, in_chunks),
            )
        })
    };
    let stream = TokioIo::new(Watched::new(stream, activity.clone(), memory));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut look = pin!(sleep(Duration::ZERO));
    let (mut phase, mut told, mut end) = (Phase::Open, false, End::Closed);
    loop {
        let interrupt = async {
            tokio::select! {
                biased;
                () = activity.evicted() => Interrupt::Evicted,
                () = close.cancelled(), if !told => Interrupt::GoingDown,
                () = look.as_mut() => Interrupt::Look,
            }
        };
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    // A client that goes away or speaks nonsense is no fault of ours.
                    tracing::debug!("connection closed: {}", WithCauses(error.as_ref()));
                }
                return end;
            }
            interrupt = seldom(interrupt) => match interrupt {
                // A request that has just arrived is answered first.
                Interrupt::Evicted if activity.is_leaving() => {}
                Interrupt::Evicted => {
                    tracing::debug!("connection closed: another needs its place");
                    return end;
                }
                Interrupt::GoingDown => {
                    told = true;
                    phase = match phase {
                        Phase::Closing {
                            written, worked, ..
                        } => Phase::Closing {
                            written,
                            worked,
                            within: GIVE_UP,
                        },
                        Phase::Open | Phase::Leaving(_) => Phase::Leaving(Instant::now() + GIVE_UP),
                    };
                }
                Interrupt::Look => {}
            },
        }
        let now = Instant::now();
        let makes_room = activity.is_leaving() && matches!(phase, Phase::Open);
        let step = match phase.step(&activity, timeouts, now) {
            Step::LookAt(_) if makes_room => Step::Close,
            step => step,
        };
        match step {
            Step::LookAt(at) => look.as_mut().reset(at),
            Step::End(reason) => {
                tracing::debug!("connection closed: the client is {reason:?}");
                return reason;
            }
            Step::Close => {
                if activity.is_idle() {
                    // A request that is here by now is answered, even if no event has told of it.
                    activity.ask_for_arrived();
                    if futures::poll!(connection.as_mut()).is_ready() {
                        return end;
                    }
                    if activity.has_arrived() || !activity.is_idle() || activity.has_begun_head() {
                        look.as_mut().reset(now + ARRIVING);
                        continue;
                    }
                    if activity.is_leaving() {
                        tracing::debug!(
                            "connection closed: it is idle, and another needs its place"
                        );
                        return end;
                    }
                    if told {
                        activity.hurry();
                    } else {
                        end = End::Idle;
                    }
                }
                connection.as_mut().graceful_shutdown();
                let within = if told { GIVE_UP } else { CLOSE_WITHIN };
                phase = Phase::Closing {
                    written: activity.written(),
                    worked: activity.is_working(),
                    within,
                };
                look.as_mut().reset(now + within);
            }
        }
    }
}

impl Phase {
    fn step(&mut self, activity: &Activity, timeouts: &Timeouts, now: Instant) -> Step {
        match self {
            Phase::Open => match activity.due(timeouts) {
                Due::At(at) => Step::LookAt(at),
                Due::Idle => Step::Close,
                Due::Head | Due::Answer => Step::End(End::Late),
            },
            // Hyper would close it at once. Its answer says that the connection ends.
            Phase::Leaving(until) if activity.has_begun_head() => {
                if now < *until {
                    Step::LookAt(*until)
                } else {
                    Step::End(End::Late)
                }
            }
            Phase::Leaving(_) => Step::Close,
            Phase::Closing {
                written,
                worked,
                within,
            } => {
                let (so_far, works) = (activity.written(), activity.is_working());
                // An answer that is ready since the last look, maybe since just now, has its time, too.
                if !works && !*worked && so_far - *written < PROGRESS {
                    return Step::End(End::Late);
                }
                (*written, *worked) = (so_far, works);
                Step::LookAt(now + *within)
            }
        }
    }
}

/// The timer of a connection's HTTP/1, which hyper asks for the time whenever it begins to wait for a head. That is noted, and
/// hyper itself waits without an end.
struct HeadWait(Arc<Activity>);

impl Timer for HeadWait {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn now(&self) -> std::time::Instant {
        self.0.awaits_head().into_std()
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, _: std::time::Instant) {}
}

/// A time that does not come.
struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}
