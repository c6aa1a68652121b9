//! Tells the crate for which target it is built, as `HOST_TARGET`.

use std::env::{self, VarError};

fn main() -> Result<(), VarError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=HOST_TARGET={}", env::var("TARGET")?);
    Ok(())
}
