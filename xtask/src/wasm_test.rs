//! The package for pages and Node, tested in both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{is_there, pass, succeed};
use crate::wasm;

/// Builds the package and runs its tests; skips what this machine has no program for, and says so.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    wasm::package(root)?;
    if !is_there("node") {
        println!("SKIPPED: tests of the package, for node is not installed");
        return Ok(());
    }
    wasm::conformance(root)?;
    succeed(
        Command::new(env!("CARGO"))
            // The same packages as the test suite builds, so that nothing is built twice.
            .args(["build", "-p", "weir-server", "-p", "weir", "--bins"])
            .current_dir(root),
    )?;
    let browser = BROWSERS.into_iter().find(|browser| is_there(browser));
    let mut tests = Command::new("node");
    // One file after another: each starts a server of its own.
    tests.args(["--test", "--test-concurrency=1"]).args(test_files(root)?).current_dir(root);
    match browser {
        Some(browser) => tests.env("WEIR_CHROMIUM", browser),
        None => tests.env_remove("WEIR_CHROMIUM"),
    };
    // Each test has a bound (`bounded.js`); this one is for code that blocks.
    pass(&mut tests)?;
    types(root)?;
    if browser.is_none() {
        println!("SKIPPED: the package in a page, for chromium is not installed");
    }
    Ok(())
}

/// Lets the TypeScript compiler check the package's types against a program that uses them.
fn types(root: &Path) -> anyhow::Result<()> {
    if !is_there("tsc") {
        println!("SKIPPED: the package's types, for tsc is not installed");
        return Ok(());
    }
    succeed(Command::new("tsc").args(["-p", TYPES]).current_dir(root))
}

fn test_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(TESTS))? {
        let path = entry?.path();
        if path.to_str().is_some_and(|path| path.ends_with(".test.js")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

const TESTS: &str = "integration-tests/wasm";
const TYPES: &str = "integration-tests/wasm/types";
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
