//! Generates the peers' protocol from `proto/peer.proto`. The compiler is a crate, so that nobody has to install
//! `protoc`. Passes on which target the host is built for, as `HOST_TARGET`.

use std::env;
use std::error::Error;

const PROTO: &str = "proto/peer.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    println!("cargo::rustc-env=HOST_TARGET={}", env::var("TARGET")?);
    let files = protox::compile([PROTO], ["proto"])?;
    tonic_prost_build::configure()
        // Values are passed on as they came, not copied.
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
