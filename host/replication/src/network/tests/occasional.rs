//! What is said of an address, and what is not said again.

use std::time::Duration;

use tokio::time::advance;

use crate::network::occasional::Occasional;

#[tokio::test(start_paused = true)]
async fn a_minute_passes_before_the_same_is_said_again() {
    let occasional = Occasional::default();
    assert_eq!(occasional.due("10.0.0.1"), Some(0));
    assert_eq!(occasional.due("10.0.0.2"), Some(0));
    for _ in 0..59 {
        advance(Duration::from_secs(1)).await;
        assert_eq!(occasional.due("10.0.0.1"), None);
    }
    advance(Duration::from_secs(1)).await;
    assert_eq!(
        occasional.due("10.0.0.1"),
        Some(59),
        "and how often it was not"
    );
    assert_eq!(occasional.due("10.0.0.1"), None);
}

#[tokio::test(start_paused = true)]
async fn addresses_without_number_are_not_remembered() {
    let occasional = Occasional::default();
    let said = (0..1000).filter(|n| occasional.due(&n.to_string()).is_some());
    assert_eq!(said.count(), 256);
    advance(Duration::from_secs(60)).await;
    assert_eq!(occasional.due("another"), Some(0));
}
