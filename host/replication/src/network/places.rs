//! [`Places`]: how many connections may be open, and whose makes room for another.
//!
//! A connection is a stranger's until it has proved that it is a member's. Strangers have few places, for a short time, and
//! none that members need: a new one takes the place of the oldest from that address which has most. It takes no place before
//! that has lasted [`least`](Limits::least), and waits until one has; so strangers that come back again and again cost a
//! bounded part of this node's time, and a member has the time to prove itself.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::occasional::Occasional;
use super::revocable::End;

/// Strangers that make room before all others are heard once more.
const DISPLACED_AT_ONCE: u64 = 32;

/// How long those are heard: the least that a timer can measure.
const PAUSE: Duration = Duration::from_millis(1);

/// What an open port demands of connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Strangers' connections at a time.
    pub strangers: usize,
    /// Members' connections at a time.
    pub members: usize,
    /// How long a connection may be a stranger's.
    pub opening: Duration,
    /// How long a stranger's connection has its place in any case. Its place is not given away before, even if it has ended.
    pub least: Duration,
}

impl Default for Limits {
    /// A handshake costs a node one or two tenths of a millisecond of its processor, so the 2,560 strangers a second that these
    /// numbers let in leave it half of one core at the worst. A thousand that come at once are through in half a second,
    /// before a member that waits behind them gives up.
    fn default() -> Self {
        Self {
            strangers: 128,
            members: 256,
            opening: Duration::from_secs(5),
            least: Duration::from_millis(50),
        }
    }
}

/// The places of one port. Clones share them.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    refusals: Occasional,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    strangers: Vec<Stranger>,
    members: usize,
    last: u64,
    /// How often a stranger had to make room.
    displaced: u64,
}

struct Stranger {
    number: u64,
    from: IpAddr,
    since: Instant,
    /// Whether the connection has ended.
    ended: bool,
    /// Ends it.
    close: CancellationToken,
}

impl State {
    /// Has a place free for one more stranger, or says when there is one.
    fn make_room(&mut self, limits: &Limits) -> Result<(), Instant> {
        let now = Instant::now();
        self.strangers
            .retain(|stranger| !stranger.ended || now < stranger.since + limits.least);
        if self.strangers.len() < limits.strangers {
            return Ok(());
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for stranger in &self.strangers {
            *counts.entry(stranger.from).or_default() += 1;
        }
        let most = counts.values().copied().max();
        let oldest = self
            .strangers
            .iter()
            .position(|stranger| counts.get(&stranger.from).copied() == most);
        let Some(oldest) = oldest else {
            return Ok(());
        };
        let until = self.strangers[oldest].since + limits.least;
        if now < until {
            return Err(until);
        }
        self.strangers.remove(oldest).close.cancel();
        self.displaced += 1;
        Ok(())
    }
}

impl Places {
    /// All of them free.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            state: Mutex::default(),
            refusals: Occasional::default(),
        }))
    }

    /// A place for a connection from this address, which is a stranger's for now.
    pub async fn take(&self, from: SocketAddr) -> Arc<Place> {
        let (place, displaced) = loop {
            match self.try_take(from) {
                Ok(taken) => break taken,
                Err(until) => sleep_until(until).await,
            }
        };
        // On a busy machine the time that a stranger has passes while nobody comes to hear it. So those that hold places are
        // heard some times before all of them have made room.
        if displaced.is_some_and(|number| number % DISPLACED_AT_ONCE == 0) {
            sleep(PAUSE).await;
        }
        place
    }

    /// A place, and the how manieth stranger it was that had to make room, if one had to; or when there is one.
    fn try_take(&self, from: SocketAddr) -> Result<(Arc<Place>, Option<u64>), Instant> {
        let mut state = self.0.state.lock();
        let before = state.displaced;
        state.make_room(&self.0.limits)?;
        let displaced = (state.displaced > before).then_some(state.displaced);
        state.last += 1;
        let (number, since) = (state.last, Instant::now());
        let close = CancellationToken::new();
        state.strangers.push(Stranger {
            number,
            from: neighbourhood(from.ip()),
            since,
            ended: false,
            close: close.clone(),
        });
        let place = Place {
            shared: self.0.clone(),
            from,
            number,
            deadline: since + self.0.limits.opening,
            close,
            member: AtomicBool::new(false),
        };
        Ok((Arc::new(place), displaced))
    }
}

/// The addresses that may be one machine's: those of IPv6 with the same first half.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Why a connection is refused: one kind does not keep another one out of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The other side does not prove with TLS that it is a member.
    Proof,
    /// It calls in clear, where this node speaks TLS.
    Clear,
    /// Its call does not carry the token.
    Token,
    /// Members have all the places that they may have.
    Full,
}

/// The place of one connection. It is free again when this is dropped.
pub struct Place {
    shared: Arc<Shared>,
    from: SocketAddr,
    number: u64,
    deadline: Instant,
    close: CancellationToken,
    member: AtomicBool,
}

impl Place {
    /// Until when it may be a stranger's.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until another stranger takes its place. Never ends for a member's, even one that had lost it before it was proved.
    pub async fn lost(&self) {
        self.close.cancelled().await;
        if self.member.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Makes it a member's, even one that has just lost its place to a stranger. Fails if members have all the places that they
    /// may have.
    pub fn prove(&self) -> bool {
        // What every call asks.
        if self.member.load(Ordering::Relaxed) {
            return true;
        }
        let mut state = self.shared.state.lock();
        if self.member.load(Ordering::Relaxed) {
            return true;
        }
        if state.members >= self.shared.limits.members {
            return false;
        }
        state
            .strangers
            .retain(|stranger| stranger.number != self.number);
        state.members += 1;
        self.member.store(true, Ordering::Relaxed);
        true
    }

    /// Says in the log that the connection is refused, though not every time: once in a while for each kind of refusal, and for
    /// all addresses that may be one machine's. A machine has more addresses of IPv6 than could be remembered.
    pub fn refuse(&self, kind: Refusal, reason: impl fmt::Display) {
        let from = self.from.ip().to_canonical();
        let subject = format!("{} {kind:?}", neighbourhood(from));
        self.shared.refusals.warn(&subject, || {
            format!("a connection from {from} to the port for nodes is refused: {reason}")
        });
    }

    /// When the connection ends by itself: it has lost its place, or is a stranger's for too long.
    pub fn end(self: &Arc<Self>) -> End {
        let place = Arc::downgrade(self);
        let (close, deadline) = (self.close.clone(), self.deadline);
        Box::pin(async move {
            let (kind, reason) = tokio::select! {
                () = close.cancelled() => {
                    (io::ErrorKind::ConnectionAborted, "another connection has taken its place before it made a call")
                }
                () = sleep_until(deadline) => (io::ErrorKind::TimedOut, "no call was made on it in time"),
            };
            let stays = place
                .upgrade()
                .is_none_or(|place| place.member.load(Ordering::Relaxed));
            (!stays).then(|| io::Error::new(kind, reason))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if *self.member.get_mut() {
            state.members -= 1;
        } else if let Some(stranger) = state
            .strangers
            .iter_mut()
            .find(|stranger| stranger.number == self.number)
        {
            stranger.ended = true;
        }
    }
}

/// The place of the connection that a call has come on, as the call knows it.
#[derive(Clone)]
pub struct Caller(Weak<Place>);

impl Caller {
    /// The caller on the connection that has this place.
    pub fn on(place: &Arc<Place>) -> Self {
        Self(Arc::downgrade(place))
    }

    /// The place of the connection, while it is open.
    pub fn place(&self) -> Option<Arc<Place>> {
        self.0.upgrade()
    }
}

/// Makes the connection that a valid call has come on a member's.
///
/// # Errors
///
/// Members have all the places that they may have.
pub fn admit(call: Request<()>) -> Result<Request<()>, Status> {
    let place = call.extensions().get::<Caller>().and_then(Caller::place);
    match place {
        Some(place) if !place.prove() => Err(Status::resource_exhausted(
            "as many connections of nodes are open as may be",
        )),
        _ => Ok(call),
    }
}
