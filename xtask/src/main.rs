//! Chores of the project, run as `cargo xtask NAME`.
#![forbid(unsafe_code)]

mod chains;
mod ci;
mod codegen;
mod conformance;
mod damage;
mod ffi;
mod ffi_cases;
mod ffi_test;
mod ffi_walk;
mod flow_go;
mod flow_go_bench;
mod fuzz;
mod interop;
mod layers;
mod process;
mod running;
mod soak;
mod tidy;
mod wasm;
mod wasm_order;
mod wasm_test;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Write the code generated from proto/proto
    Codegen {
        /// Change nothing; fail when the checked-in code is stale
        #[arg(long)]
        check: bool,
    },
    /// Check the rules of the repository that no compiler checks
    Tidy,
    /// Write the negative suite and docs/rules.md; the test suite checks that they are up to date
    Conformance,
    /// Let Flow's official Go SDK read from a server and from a devnet; needs Go
    Interop,
    /// Let flow-go judge: it follows reference and simulated chains, boots from snapshots, makes random chains
    /// for Weir to replay, and gives verdicts that Weir's must equal; needs Go
    FlowGo {
        /// The first seed of the random chains; drawn if left out
        #[arg(long)]
        seed: Option<u64>,
        /// How many blocks that are wrong in one place both judge
        #[arg(long, default_value_t = 20_000)]
        verdicts: u64,
    },
    /// Measure Weir beside flow-go, in turns; needs Go
    FlowGoBench {
        /// Rounds of each work
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// Run the fuzz targets, all unless some are named; needs cargo-fuzz
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Targets
        targets: Vec<String>,
    },
    /// Write the seeds of the fuzz targets' corpus; the tests check that they are up to date
    FuzzCorpus,
    /// Write the package for pages and Node to target/wasm-pkg, and check its size
    Wasm {
        /// Instead, print what each part of the module costs
        #[arg(long)]
        parts: bool,
    },
    /// Test the package for pages in Node and in Chromium; needs both
    WasmTest,
    /// Watch ten thousand simulated minutes over networks that break; `WEIR_SEED` chooses others
    Soak,
    /// Cut the power of a store's disk, an ext4 on a loop device, again and again; needs root and perl
    Power(damage::Loop),
    /// Kill the program again and again, in all it does with a data folder
    Kill(damage::Loop),
    /// Flip bits and cut files of a data folder, again and again
    Flip(damage::Loop),
    /// Fill a store's disk, a tmpfs, again and again; needs root
    Full(damage::Loop),
    /// Write weir.h, and to target/ffi the libraries for C, Kotlin, Swift and Python
    Ffi {
        /// Change nothing; fail when the checked-in weir.h is stale
        #[arg(long)]
        check: bool,
    },
    /// Test the libraries from C, Python, Kotlin, Swift and Go, as far as their compilers are there
    FfiTest,
    /// Run what CI runs, on this machine as it is
    Ci,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Codegen { check: true } => codegen::check(&root()),
        Chore::Codegen { check: false } => codegen::write(&root()),
        Chore::Tidy => tidy::check(&root()),
        Chore::Conformance => conformance::write(&root()),
        Chore::FlowGo { seed, verdicts } => flow_go::run(&root(), seed, verdicts),
        Chore::Interop => interop::run(&root()),
        Chore::FlowGoBench { rounds } => flow_go_bench::run(&root(), rounds),
        Chore::Fuzz { seconds, targets } => fuzz::run(&root(), seconds, &targets),
        Chore::FuzzCorpus => fuzz::write_seeds(&root()),
        Chore::Wasm { parts: true } => wasm::parts(&root()),
        Chore::Wasm { parts: false } => wasm::package(&root()),
        Chore::WasmTest => wasm_test::run(&root()),
        Chore::Soak => soak::run(&root()),
        Chore::Power(options) => damage::power(&root(), &options),
        Chore::Kill(options) => damage::kill(&root(), &options),
        Chore::Flip(options) => damage::flip(&root(), &options),
        Chore::Full(options) => damage::full(&root(), &options),
        Chore::Ffi { check: true } => ffi::check(&root()),
        Chore::Ffi { check: false } => ffi::write(&root()),
        Chore::FfiTest => ffi_test::run(&root()),
        Chore::Ci => ci::run(&root()),
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
