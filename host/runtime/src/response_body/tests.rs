use http::{HeaderMap, HeaderValue};
use spindrift_memory::{Budget, Purpose};

use super::*;

fn trailers() -> HeaderMap {
    let value = HeaderValue::try_from("v".repeat(50_000)).expect("letters");
    HeaderMap::from_iter([(http::header::ETAG, value)])
}

#[test]
fn heads_and_trailers_are_charged_as_long_as_there_is_a_body() {
    let budget = Budget::new(1 << 20);
    let (contents, outcome, delivery, body) = channel(false, 0, &budget);
    body.hold_head(10_000).expect("room");
    assert_eq!(budget.used_bytes_for(Purpose::Answers), 10_000);
    outcome.set(Ok(Some(trailers())));
    let charged = budget.used_bytes_for(Purpose::Answers);
    assert!((60_000..61_000).contains(&charged), "{charged}");
    drop((contents, delivery, body));
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn trailers_that_have_no_room_end_the_body_with_an_error() {
    let budget = Budget::new(40_000);
    let (_contents, outcome, _delivery, mut body) = channel(false, 0, &budget);
    outcome.set(Ok(Some(trailers())));
    let complete = body.take_complete();
    assert!(matches!(complete, Some(Err(BodyError::Memory(_)))));
    assert_eq!(budget.refusals_for(Purpose::Answers), 1);
}
