//! `weir`: asks a server about Flow's protocol state and prints only what it could verify.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
