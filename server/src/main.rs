//! `weir-server`: replays, indexes and serves Flow chains.
#![forbid(unsafe_code)]
// They panic when nobody reads on: `commands::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod commands;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Blocks are many small allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::run()
}
