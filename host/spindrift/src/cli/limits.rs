//! [`LimitArgs`]: what clients may send, how much is held for them, and how long the server waits for them.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use spindrift_gateway::{BodyLimits, MinRate};
use spindrift_memory::{Budget, available};
use spindrift_values::{ByteSize, duration};

/// What a byte of a value may take in a body of JSON: six bytes, as an escape (`\u0001`). Python's `json` and other encoders
/// write all characters beyond ASCII so, unless told otherwise.
const ESCAPED_BYTES: u64 = 6;
/// What a request body may hold besides one value: the key and JSON around them.
const BODY_SLACK: u64 = 64 << 10;

/// Which part of the memory that the process may use is for clients: the rest is for the stores, and for a second copy of them
/// while a snapshot is installed.
const BUDGET_SHARE: u64 = 4;
/// The budget where the system does not say how much memory there is.
const FALLBACK_BUDGET: ByteSize = ByteSize::mib(256);

/// Limits of the server and of stores.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest request body. The answer to a larger one is 413 [default: six times the value size, which JSON's escapes may
    /// make of a value, and 64KiB for the JSON around it]
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MAX_REQUEST_BODY")]
    pub max_request_body: Option<ByteSize>,

    /// Largest value. A component that sets a larger one gets an error that begins with `value too large`, and chooses the
    /// answer. The components of this project answer 413. A store's own `max_value_size` wins
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MAX_VALUE_SIZE", default_value = "1MiB", value_parser = parse_size)]
    pub max_value_size: ByteSize,

    /// Longest key, in bytes of UTF-8. A component that sets a longer one gets an error that begins with `key too long`, and
    /// chooses the answer. The components of this project answer 422. A store's own `max_key_size` wins
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MAX_KEY_SIZE", default_value = "1KiB", value_parser = parse_size)]
    pub max_key_size: ByteSize,

    /// Largest total of a store's keys and values. The answer to a write beyond it is 507; reads and deletes go on. A store's
    /// own `max_total_size` wins. In a cluster the smallest limit of all nodes holds [default: 1GiB, or less if the memory of
    /// this process has no room for the stores beside `--memory-budget`; a replicated store needs its room twice while it
    /// installs a snapshot]
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MAX_TOTAL_SIZE", value_parser = parse_size)]
    pub max_total_size: Option<ByteSize>,

    /// Memory that the host holds for clients at a time: heads and bodies of requests, the memory of components, transactions
    /// and answers. The answer to a request that needs more is 503 with `Retry-After`. The stores are not part of it
    /// [default: a quarter of the memory that this process may use, by its control group or else its machine]
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MEMORY_BUDGET", value_parser = parse_size)]
    pub memory_budget: Option<ByteSize>,

    /// How long a request's body may take before its rate counts, in the same forms as --header-timeout. The host measures
    /// the rate over the same time, so a client that sends nothing has twice that time
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_BODY_GRACE", default_value = "5s", value_parser = duration::parse_non_zero)]
    pub body_grace: Duration,

    /// Bytes of its body that a client has to send each second after that. The answer to a slower client is 408
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MIN_BODY_RATE", default_value = "1KiB", value_parser = parse_size)]
    pub min_body_rate: ByteSize,

    /// Number of request bodies that may arrive at a time. The answer to one more is 503 with `Retry-After`. A body that is
    /// there at once does not count
    #[arg(long, value_name = "N", env = "SPINDRIFT_MAX_ARRIVING_BODIES", default_value = "10000", value_parser = parse_count)]
    pub max_arriving_bodies: usize,

    /// How long a client may leave an answer unread before its rate counts, in the same forms. The host measures the rate
    /// over the same time, so a client that reads nothing has twice that time
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_ANSWER_GRACE", default_value = "5s", value_parser = duration::parse_non_zero)]
    pub answer_grace: Duration,

    /// Bytes of an answer that a client has to read each second after that, while there are any. The host closes the
    /// connection of a slower client, or resets its stream with HTTP/2
    #[arg(long, value_name = "SIZE", env = "SPINDRIFT_MIN_ANSWER_RATE", default_value = "1KiB", value_parser = parse_size)]
    pub min_answer_rate: ByteSize,

    /// Number of requests under way at a time, each from the arrival of its body until its component is done. One more waits
    /// for --queue-timeout, and is then answered 503 with `Retry-After`. At most half of them may be streaming a response. In
    /// an application whose components call it, a quarter is for those calls
    #[arg(long, value_name = "N", env = "SPINDRIFT_MAX_CONCURRENT_REQUESTS", default_value = "1000", value_parser = parse_count)]
    pub max_concurrent_requests: usize,

    /// How long a request whose body has arrived waits for a place among --max-concurrent-requests, in the same forms as
    /// --header-timeout. As many requests may wait as may be under way, an eighth of them on one connection. Connections take
    /// turns
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_QUEUE_TIMEOUT", default_value = "500ms", value_parser = duration::parse)]
    pub queue_timeout: Duration,

    /// Number of connections open at a time. The host answers one more with 503 and `Retry-After`, and closes it. It takes
    /// fewer connections if the process may not open as many files and some more
    #[arg(long, value_name = "N", env = "SPINDRIFT_MAX_CONNECTIONS", default_value = "10000", value_parser = parse_count)]
    pub max_connections: usize,

    /// How long a client may take to send a request's head once it has begun, and to begin the first one: seconds, or a
    /// number with s, ms, us or ns. After that the host closes the connection
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_HEADER_TIMEOUT", default_value = "10s", value_parser = duration::parse_non_zero)]
    pub header_timeout: Duration,

    /// How long a client may leave a connection idle. Each answer over HTTP/1.1 says so. The host closes the connection 5s
    /// later, so no request is lost that leaves the client in time
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_KEEP_ALIVE_TIMEOUT", default_value = "75s", value_parser = duration::parse_non_zero)]
    pub keep_alive_timeout: Duration,

    /// Largest buffer of an HTTP/1 connection, at least 8192 bytes. The answer to a request whose head does not fit is 431
    /// [default: 128KiB]
    #[arg(long, value_name = "SIZE", env = "SPIN_HTTP1_MAX_BUF_SIZE", value_parser = parse_buffer)]
    pub http1_max_buf_size: Option<ByteSize>,

    /// How long the host goes on taking connections after SIGTERM or SIGINT. Probes are told already that it is not ready,
    /// and load balancers need that time to notice [default: 0s, and 5s in a pod of Kubernetes]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_SHUTDOWN_DELAY", value_parser = duration::parse)]
    pub shutdown_delay: Option<Duration>,

    /// How long requests under way may take to finish after that, before the host cuts them off [default: 30s, and 10s in a
    /// pod of Kubernetes, where the node needs time to leave its cluster before Kubernetes kills the pod]
    #[arg(long, value_name = "DURATION", env = "SPINDRIFT_SHUTDOWN_TIMEOUT", value_parser = duration::parse)]
    pub shutdown_timeout: Option<Duration>,
}

impl LimitArgs {
    /// The budget for what is held for clients: as given, or a share of the memory that this process may use.
    pub fn memory_budget(&self) -> Arc<Budget> {
        let bytes = self.memory_budget.unwrap_or_else(|| {
            available().map_or(FALLBACK_BUDGET, |memory| {
                ByteSize(memory.bytes / BUDGET_SHARE)
            })
        });
        Budget::new(bytes.as_usize())
    }

    /// What request bodies may do, where no store takes a larger value than `largest_value` bytes.
    pub fn bodies(&self, largest_value: usize) -> BodyLimits {
        BodyLimits {
            max_bytes: self.request_body_bytes(largest_value),
            rate: MinRate {
                bytes_per_second: self.min_body_rate.0,
                grace: self.body_grace,
            },
            max_arriving: self.max_arriving_bodies,
        }
    }

    /// How fast clients have to read answers.
    pub fn answer_rate(&self) -> MinRate {
        MinRate {
            bytes_per_second: self.min_answer_rate.0,
            grace: self.answer_grace,
        }
    }

    /// The largest request body in bytes: as given, or `largest_value` in escapes, and room for the key and the JSON around it.
    /// `largest_value` is the largest that any store takes.
    pub fn request_body_bytes(&self, largest_value: usize) -> usize {
        let escaped = (largest_value as u64).saturating_mul(ESCAPED_BYTES);
        let default = ByteSize(escaped.saturating_add(BODY_SLACK));
        self.max_request_body.unwrap_or(default).as_usize()
    }
}

pub(super) fn parse_size(text: &str) -> Result<ByteSize, String> {
    match text.parse()? {
        ByteSize(0) => Err("it must be at least 1 byte".into()),
        size => Ok(size),
    }
}

pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err(format!("{text:?} is not a whole number")),
    }
}

fn parse_buffer(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size.0 < 8192 {
        return Err(format!("{text:?} is less than 8192 bytes"));
    }
    Ok(size)
}
