//! [`InstanceArgs`]: how long a WebAssembly instance lives, and what one request may cost.

use std::time::Duration;

use clap::Args;
use spindrift_values::{ByteSize, Range, duration};

/// Memory that an instance may use unless it is said otherwise.
const DEFAULT_MEMORY: ByteSize = ByteSize::mib(64);

/// Limits of WebAssembly instances.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Instances")]
pub struct InstanceArgs {
    /// Number of requests that an instance serves before the host drops it. From a range, such as 1..8 (without its end),
    /// each new instance draws its own number. 1 gives every request a fresh instance
    #[arg(long, value_name = "N", default_value = "128", value_parser = parse_count)]
    pub max_instance_reuse_count: Range<usize>,

    /// Only 1 is accepted: an instance serves one request at a time
    #[arg(long, value_name = "N", hide = true, value_parser = parse_concurrent)]
    pub max_instance_concurrent_reuse_count: Option<Range<usize>>,

    /// How long the host keeps an idle instance for the next request: seconds, or a number with s, ms, us or ns. From a range
    /// each new instance draws its own time
    #[arg(long, value_name = "DURATION", env = "SPIN_HTTP_IDLE_INSTANCE_TIMEOUT_SECS", default_value = "10s", value_parser = parse_duration)]
    pub idle_instance_timeout: Range<Duration>,

    /// How long a request may take, its body included, in the same forms. The host stops a request that takes longer, and
    /// keeps nothing that it wrote. It answers 504, or 408 if the body has not arrived
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_timeout)]
    pub request_timeout: Range<Duration>,

    /// Memory that an instance may use: bytes, or a number with Ki, Mi, Gi (powers of 1024), k, M or G (of 1000). The answer
    /// to a request that needs more is 500; other requests do not notice. This flag wins over the runtime configuration
    /// [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "SPIN_MAX_INSTANCE_MEMORY", value_parser = parse_memory)]
    pub max_instance_memory: Option<ByteSize>,

    /// Threads that run requests [default: one for each core]
    #[arg(long, value_name = "N", env = "SPINDRIFT_WORKERS")]
    pub workers: Option<std::num::NonZeroUsize>,
}

impl InstanceArgs {
    /// Memory that an instance may use, where the runtime configuration says so much.
    pub fn memory(&self, configured: Option<ByteSize>) -> ByteSize {
        let asked = self.max_instance_memory.or(configured);
        asked.unwrap_or(DEFAULT_MEMORY)
    }
}

fn parse_count(text: &str) -> Result<Range<usize>, String> {
    let one = |text: &str| {
        text.parse()
            .map_err(|_| format!("{text:?} is neither a whole number nor a range such as 1..8"))
    };
    let range = Range::parse(text, one)?;
    if range.min() == 0 {
        return Err("an instance serves at least 1 request".into());
    }
    Ok(range)
}

fn parse_concurrent(text: &str) -> Result<Range<usize>, String> {
    match parse_count(text)? {
        one @ (Range::Value(1) | Range::Bounds { start: 1, end: 2 }) => Ok(one),
        _ => Err("here an instance serves one request at a time, so that a request that fails takes no other with it; \
                  leave the flag out or give 1"
            .into()),
    }
}

fn parse_duration(text: &str) -> Result<Range<Duration>, String> {
    Range::parse(text, duration::parse)
}

fn parse_timeout(text: &str) -> Result<Range<Duration>, String> {
    Range::parse(text, duration::parse_non_zero)
}

fn parse_memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    check_memory(size).map(|()| size)
}

/// Checks what an instance may have: 64 KiB is one page of WebAssembly memory; 4 GiB is all that 32 bits address.
pub(crate) fn check_memory(size: ByteSize) -> Result<(), String> {
    if size < ByteSize::kib(64) || size > ByteSize::gib(4) {
        return Err(format!("{size} is not between 64KiB and 4GiB"));
    }
    Ok(())
}
