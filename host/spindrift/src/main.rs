//! The `spindrift` binary: parse, call, report.

use std::process::ExitCode;

use spindrift::{cli, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let _flushed = logging::FlushAtEnd;
    match cli::run(&cli.command) {
        Ok(code) => code,
        Err(error) => {
            logging::say(&format!("Error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
