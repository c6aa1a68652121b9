use tokio::time::{advance, sleep};

use super::*;

const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(80);

fn timeouts() -> Timeouts {
    Timeouts {
        head: HEAD,
        idle: IDLE,
        answer: Some(Duration::from_secs(30)),
    }
}

/// Lets time pass until something is due, and says how long that took, and what it is.
async fn until_due(activity: &Activity) -> (Duration, Due) {
    let began = Instant::now();
    for _ in 0..100 {
        match activity.due(&timeouts()) {
            Due::At(at) => tokio::time::sleep_until(at).await,
            due => return (began.elapsed(), due),
        }
    }
    (began.elapsed(), Due::At(Instant::now()))
}

/// A connection of HTTP/1 that has had a request, and waits for the next.
fn asked() -> Activity {
    let activity = Activity::begin();
    activity.awaits_head();
    activity.received(b"GET / HTTP/1.1\r\n\r\n");
    activity.begin_request(false);
    activity.writes();
    activity.end_answering();
    activity.flushed(true);
    activity.awaits_head();
    activity
}

#[tokio::test(start_paused = true)]
async fn the_first_head_has_its_time_from_the_beginning() {
    let activity = Activity::begin();
    advance(HEAD / 2).await;
    activity.received(b"GET /");
    activity.waits();
    assert_eq!(until_due(&activity).await, (HEAD / 2, Due::Head));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_the_longer_time_and_a_head_on_it_the_shorter() {
    assert_eq!(until_due(&asked()).await, (IDLE, Due::Idle));
    for idle in [0, 3, 17, 79] {
        let activity = asked();
        let idle = Duration::from_secs(idle);
        let (looked, ()) = tokio::join!(until_due(&activity), async {
            sleep(idle).await;
            activity.received(b"G");
            activity.waits();
            sleep(HEAD / 2).await;
            activity.received(b"ET / HT");
        });
        assert_eq!(looked, (idle + HEAD, Due::Head));
    }
}

#[tokio::test(start_paused = true)]
async fn empty_lines_begin_no_head_and_do_not_make_a_connection_less_idle() {
    let activity = asked();
    let (looked, ()) = tokio::join!(until_due(&activity), async {
        for _ in 0..7 {
            sleep(HEAD).await;
            activity.received(b"\r\n");
        }
    });
    assert_eq!(looked, (IDLE, Due::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_waited_for_and_its_body_is_no_head() {
    let activity = asked();
    activity.begin_request(true);
    activity.received(b"a body");
    advance(IDLE * 3).await;
    assert!(matches!(activity.due(&timeouts()), Due::At(_)));
    activity.end_answering();
    activity.awaits_head();
    assert_eq!(until_due(&activity).await, (IDLE, Due::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_begins_while_another_request_is_answered_has_its_time_after_that() {
    let activity = asked();
    activity.begin_request(false);
    activity.received(b"GET /");
    activity.waits();
    advance(HEAD * 2).await;
    assert!(matches!(activity.due(&timeouts()), Due::At(_)));
    assert!(!activity.has_begun_head());
    activity.end_answering();
    activity.awaits_head();
    assert!(activity.has_begun_head());
    assert_eq!(until_due(&activity).await, (HEAD, Due::Head));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_waited_for_as_long_as_is_said() {
    let activity = asked();
    activity.begin_request(false);
    activity.end_answering();
    activity.writes();
    activity.stalls();
    assert_eq!(
        until_due(&activity).await,
        (Duration::from_secs(30), Due::Answer)
    );
}

#[tokio::test(start_paused = true)]
async fn what_http2_writes_by_itself_ends_no_silence() {
    let activity = Activity::begin();
    activity.begin_request(false);
    activity.end_answering();
    let (looked, ()) = tokio::join!(until_due(&activity), async {
        for _ in 0..7 {
            sleep(HEAD).await;
            activity.received(b"a PING");
            activity.writes();
            activity.flushed(true);
        }
    });
    assert_eq!(looked, (IDLE, Due::Idle));
}

#[tokio::test(start_paused = true)]
async fn who_has_asked_for_nothing_makes_room_first() {
    let (idle, silent, busy) = (asked(), Activity::begin(), asked());
    busy.begin_request(false);
    advance(HEAD).await;
    let (newest, idle_later) = (Activity::begin(), asked());
    let mut all = [&idle, &silent, &busy, &newest, &idle_later];
    all.sort_by_key(|activity| std::cmp::Reverse(activity.idleness()));
    for (found, expected) in all
        .iter()
        .zip([&silent, &newest, &idle, &idle_later, &busy])
    {
        assert!(std::ptr::eq(*found, expected), "{found:?}");
    }
}
