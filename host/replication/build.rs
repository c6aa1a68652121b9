//! Generates the peers' protocol from `proto/peer.proto`. The compiler is a crate, so nobody has to install `protoc`.

use std::error::Error;

const PROTO: &str = "proto/peer.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let files = protox::compile([PROTO], ["proto"])?;
    tonic_prost_build::configure()
        // The host passes values on without copying them.
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
