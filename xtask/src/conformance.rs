//! The negative suite, made anew.

use std::path::Path;

use anyhow::Context as _;

use crate::process::run_ignored;

/// Has the test suite write `integration-tests/conformance/cases` and `docs/rules.md`.
///
/// The suite is made with the real prover and the keys of a simulated network, which only the
/// integration tests may depend on both.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    run_ignored(root, "weir-integration-tests", "suite", "conformance::write_the_suite")
        .context("the suite is not written: a case ends otherwise than it is meant to")
}
