//! Answers whose body is written, or not, after the head went out.

use std::time::Duration;

use guest_response03::streamed;
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::types::Response;

use crate::limits;

/// A body of so many bytes, in chunks of 64 KiB.
pub fn big(bytes: usize) -> Response {
    streamed(async move |mut body| {
        let mut left = bytes;
        while left > 0 {
            let chunk = vec![b'a'; left.min(64 * 1024)];
            left -= chunk.len();
            if !body.write_all(chunk).await.is_empty() {
                return;
            }
        }
    })
}

/// `chunk 1\n`, `chunk 2\n` and so on, with a pause of `ms` milliseconds before each.
pub fn trickle(chunks: u64, ms: u64) -> Response {
    streamed(async move |mut body| {
        for number in 1..=chunks {
            sleep(Duration::from_millis(ms)).await;
            if !body
                .write_all(format!("chunk {number}\n").into_bytes())
                .await
                .is_empty()
            {
                return;
            }
        }
    })
}

/// Sends `some`, then traps.
pub fn trap() -> Response {
    streamed(async |mut body| {
        body.write_all(b"some".to_vec()).await;
        panic!("a trap after the head, as the request asked");
    })
}

/// Sends `some`, then waits for a day.
pub fn stall() -> Response {
    streamed(async |mut body| {
        body.write_all(b"some".to_vec()).await;
        sleep(Duration::from_secs(24 * 60 * 60)).await;
    })
}

/// Sends `some`, then loops for ever.
pub fn spin() -> Response {
    streamed(async |mut body| {
        body.write_all(b"some".to_vec()).await;
        limits::spin();
    })
}
