//! What CI runs, for a developer's machine: everything but installing tools.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Runs every step and stops at the first that fails.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    for step in STEPS {
        println!("== cargo {}", step.join(" "));
        let status = Command::new(env!("CARGO"))
            .args(*step)
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(root)
            .status()
            .with_context(|| format!("cargo {}", step[0]))?;
        if !status.success() {
            bail!("`cargo {}` failed", step.join(" "));
        }
    }
    super::wasm_test::run(root)?;
    super::codegen::check(root)?;
    super::tidy::check(root)
}

const STEPS: &[&[&str]] = &[
    &["test", "--workspace"],
    &["test", "-p", "weir-conformance"],
    &["test", "-p", "weir-conformance", "--no-default-features"],
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
    &["build", "-p", "weir-peers", "--target", WASM],
    &["build", "-p", "weir-protocol", "--no-default-features", "--target", WASM],
    &["build", "-p", "weir-verifier", "--no-default-features", "--target", WASM],
    &["build", "-p", "weir-walk", "--no-default-features", "--target", WASM],
];
const WASM: &str = "wasm32-unknown-unknown";
