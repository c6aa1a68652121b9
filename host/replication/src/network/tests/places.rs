//! Whose connection makes room for another one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::{Instant, advance};

use crate::network::places::{Caller, Limits, Place, Places, Refusal};

const LIMITS: Limits = Limits {
    strangers: 4,
    members: 2,
    opening: Duration::from_secs(5),
    least: Duration::from_millis(100),
};

fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

/// A place, if there is one without waiting.
fn take(places: &Places, from: &str) -> Option<Arc<Place>> {
    places.take(at(from)).now_or_never()
}

fn is_lost(place: &Place) -> bool {
    place.lost().now_or_never().is_some()
}

/// Four strangers, of whom three are from one address.
fn crowd(places: &Places) -> Vec<Arc<Place>> {
    let from = [
        "10.0.0.1:1",
        "10.0.0.2:2",
        "[::ffff:10.0.0.1]:3",
        "10.0.0.1:4",
    ];
    from.map(|from| take(places, from).expect("a place")).into()
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_the_address_with_most_makes_room_once_it_has_had_its_time() {
    let places = Places::new(LIMITS);
    let crowd = crowd(&places);
    assert!(
        take(&places, "10.0.0.3:1").is_none(),
        "none has had its time"
    );
    advance(LIMITS.least).await;
    let third = take(&places, "10.0.0.3:1").expect("a place");
    let lost: Vec<bool> = crowd.iter().map(|place| is_lost(place)).collect();
    assert_eq!(lost, [true, false, false, false]);
    assert!(crowd[0].prove(), "it comes late, and not too late");
    assert!(!is_lost(&crowd[0]), "a member has no place to lose");
    // The next is from the address that still has most of them, not of the newcomer's.
    let _again = take(&places, "10.0.0.2:9").expect("a place");
    let lost: Vec<bool> = crowd.iter().map(|place| is_lost(place)).collect();
    assert_eq!(lost, [false, false, true, false]);
    assert!(!is_lost(&third));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_waits_for_the_time_of_the_oldest() {
    let places = Places::new(LIMITS);
    let _crowd = crowd(&places);
    advance(LIMITS.least / 4).await;
    let began = Instant::now();
    let _place = places.take(at("10.0.0.9:1")).await;
    let waited = began.elapsed();
    // The timer counts whole milliseconds.
    assert!(
        waited >= LIMITS.least * 3 / 4 && waited < LIMITS.least,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_comes_back_at_once_waits_as_well() {
    let places = Places::new(LIMITS);
    // Ended at once, each of them.
    drop(crowd(&places));
    assert!(take(&places, "10.0.0.1:5").is_none());
    advance(LIMITS.least).await;
    let _crowd = crowd(&places);
    assert!(take(&places, "10.0.0.1:5").is_none());
}

#[tokio::test(start_paused = true)]
async fn members_take_no_places_of_strangers_and_have_their_own() {
    let places = Places::new(LIMITS);
    let mut members = Vec::new();
    for _ in 0..10 * LIMITS.strangers {
        let place = take(&places, "10.0.0.1:1").expect("proved ones leave their places at once");
        let proved = place.prove();
        assert_eq!(proved, members.len() < LIMITS.members);
        assert_eq!(place.prove(), proved, "as before");
        if proved {
            members.push(place);
        } else {
            advance(LIMITS.least).await;
        }
    }
    advance(LIMITS.least).await;
    let _crowd = crowd(&places);
    assert!(members.iter().all(|place| place.prove() && !is_lost(place)));
    advance(LIMITS.least).await;
    let stranger = take(&places, "10.0.0.7:1").expect("a place");
    let caller = Caller::on(&stranger);
    members.pop();
    assert!(caller.place().is_some_and(|place| place.prove()));
    drop(stranger);
    assert!(caller.place().is_none());
}

#[tokio::test(start_paused = true)]
async fn addresses_of_one_network_of_ipv6_count_as_one() {
    let places = Places::new(LIMITS);
    let crowd: Vec<_> = [
        "10.0.0.1:1",
        "[2001:db8::1]:1",
        "[2001:db8:0:1::]:1",
        "[2001:db8::ffff:2]:1",
    ]
    .map(|from| take(&places, from).expect("a place"))
    .into();
    advance(LIMITS.least).await;
    let _place = take(&places, "10.0.0.2:1").expect("a place");
    let lost: Vec<bool> = crowd.iter().map(|place| is_lost(place)).collect();
    assert_eq!(lost, [false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_its_time_and_a_member_all_time() {
    let places = Places::new(LIMITS);
    let (stranger, member) = (take(&places, "10.0.0.1:1"), take(&places, "10.0.0.1:2"));
    let (stranger, member) = (stranger.expect("a place"), member.expect("a place"));
    assert!(member.prove());
    let (stranger, member) = tokio::join!(stranger.end(), member.end());
    assert_eq!(
        stranger.map(|error| error.kind()),
        Some(std::io::ErrorKind::TimedOut)
    );
    assert!(member.is_none());
}

/// What is logged while `write` runs, line by line.
fn logged(write: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, write);
    let text = String::from_utf8_lossy(&written.0.lock()).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn one_machine_with_many_addresses_keeps_no_other_refusal_out_of_the_log() {
    let places = Places::new(LIMITS);
    let refuse = async |from: &str, kind| {
        advance(LIMITS.least).await;
        let place = take(&places, from).expect("a place");
        logged(|| place.refuse(kind, "it is nobody"))
    };
    for address in 0..500 {
        let from = format!("[2001:db8::{address:x}]:1");
        let lines = refuse(&from, Refusal::Proof).await;
        assert_eq!(lines.len(), usize::from(address == 0), "{lines:?}");
    }
    for (from, kind) in [
        // The same machine does something else.
        ("[2001:db8::1]:1", Refusal::Clear),
        ("[2001:db8::1]:1", Refusal::Token),
        // Another one does the same.
        ("[2001:db8:0:1::1]:1", Refusal::Proof),
        ("10.0.0.1:1", Refusal::Proof),
        ("10.0.0.2:1", Refusal::Proof),
    ] {
        let lines = refuse(from, kind).await;
        let [line] = lines.as_slice() else {
            panic!("{from} {kind:?}: {lines:?}");
        };
        assert!(
            line.contains("WARN") && line.contains("it is nobody"),
            "{line}"
        );
    }
    // It is told with the whole address, and how often it was not.
    advance(Duration::from_secs(60)).await;
    let lines = refuse("[2001:db8::abc]:1", Refusal::Proof).await;
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(
        line.contains("2001:db8::abc") && line.contains("499 times"),
        "{line}"
    );
}
