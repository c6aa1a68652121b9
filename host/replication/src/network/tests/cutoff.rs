//! Which streams of entries end for what the log has no room for.

use std::pin::pin;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use openraft::errors::RPCError;
use openraft::network::NetStreamAppend;
use tokio::net::TcpListener;

use super::append::{connection_with, option, place, requests};
use super::peer::{MAX_MESSAGE_BYTES, peers};
use super::soon;
use crate::network::Cutoff;
use crate::network::cutoff::Outcome;

fn acknowledge(results: &UnboundedSender<Outcome>, index: u64) {
    let result = Ok(Ok(Some(place(index))));
    results.unbounded_send(result).expect("open");
}

fn is_behind(outcome: Option<Outcome>) -> bool {
    // No other failure is one after which openraft goes on without a pause.
    matches!(outcome, Some(Err(RPCError::Network(_))))
}

#[tokio::test]
async fn a_stream_ends_whose_follower_lacks_what_is_to_go() {
    let cutoff = Cutoff::default();
    let (sender, receiver) = unbounded();
    let mut results = pin!(cutoff.subscribe().results(receiver));
    acknowledge(&sender, 8);
    assert!(matches!(results.next().await, Some(Ok(_))));
    cutoff.set(10);
    let end = soon("the end", results.next()).await;
    assert!(is_behind(end), "entry 9 is to go");
    assert!(results.next().await.is_none());
}

#[tokio::test]
async fn a_stream_goes_on_whose_follower_has_what_is_to_go() {
    let cutoff = Cutoff::default();
    let (sender, receiver) = unbounded();
    let mut results = pin!(cutoff.subscribe().results(receiver));
    acknowledge(&sender, 9);
    assert!(matches!(results.next().await, Some(Ok(_))));
    cutoff.set(10);
    assert!(futures::poll!(results.next()).is_pending());
    acknowledge(&sender, 10);
    assert!(matches!(results.next().await, Some(Ok(_))));
    cutoff.set(12);
    let end = soon("the end", results.next()).await;
    assert!(is_behind(end), "entry 11 is to go");
}

#[tokio::test]
async fn a_stream_is_not_held_against_what_went_before_it() {
    let cutoff = Cutoff::default();
    cutoff.set(10);
    let (_sender, receiver) = unbounded();
    let mut results = pin!(cutoff.subscribe().results(receiver));
    assert!(futures::poll!(results.next()).is_pending());
}

#[tokio::test]
async fn a_stream_that_does_not_come_about_ends_as_well() {
    // Connects, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = mute.local_addr().expect("an address").to_string();
    let cutoff = Cutoff::default();
    let peers = peers(MAX_MESSAGE_BYTES);
    let mut connection = connection_with(&peers, &address, 2, cutoff.clone()).await;
    let appending = connection.stream_append(requests([0]), option());
    let (opened, ()) = futures::join!(appending, async { cutoff.set(10) });
    let failure = opened.err().expect("nobody answers");
    assert!(matches!(failure, RPCError::Network(_)), "{failure}");
}
