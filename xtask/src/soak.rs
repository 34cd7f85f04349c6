//! The long test of watching.

use std::path::Path;

use anyhow::Context as _;

use crate::process::run_ignored;

/// Watches a long chain over connections that break, and compares with an undisturbed watch.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    run_ignored(root, "weir-integration-tests", "suite", "watch::soak::ten_thousand_minutes")
        .context("the watches differ")
}
