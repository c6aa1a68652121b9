//! One test for each report. Each asserts the right behaviour and is expected to panic with the wrong one, so it passes while
//! the fault is there and fails once openraft has no such fault.

mod no_pause;
mod panic_in_metrics;
mod refusal_as_error;
mod reply_of_another_request;
mod reversed_range;
