//! Rules of the repository that no compiler checks.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::layers;

/// Checks every rule and reports all violations at once.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut violations = Vec::new();
    let forbidden = forbidden(root);
    let files = tracked_files(root)?;
    for file in &files {
        if let Ok(text) = fs::read_to_string(root.join(file)) {
            check_file(file, &text, &forbidden, &mut violations);
        }
    }
    layers::check(root, &files, &mut violations);
    check_dependencies(root, &mut violations)?;
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{} violations:\n{}", violations.len(), violations.join("\n"));
}

fn check_file(file: &str, text: &str, forbidden: &[String], violations: &mut Vec<String>) {
    if file.ends_with(".rs") && !file.starts_with("proto/src/generated/") {
        let max = if file.contains("tests/") { TEST_LINES_MAX } else { LINES_MAX };
        let lines = text.lines().count();
        if lines > max {
            violations.push(format!("{file}: {lines} lines, at most {max}"));
        }
        if !text.starts_with("//!") {
            violations.push(format!("{file}: does not begin with a module doc (//!)"));
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| is_unbounded(line)) {
            let (line, number) = (line.trim(), number + 1);
            violations.push(format!("{file}:{number}: {line} may hang; use #[bounded::test]"));
        }
        let safe = text.contains("forbid(unsafe_code)") || file.starts_with(UNSAFE_CRATE);
        if file.ends_with("src/lib.rs") && !safe {
            violations.push(format!("{file}: lacks #![forbid(unsafe_code)]"));
        }
    }
    let own = file == "xtask/src/tidy.rs";
    for word in forbidden.iter().filter(|_| !own) {
        if text.contains(word.as_str()) {
            violations.push(format!("{file}: contains `{word}`"));
        }
    }
    let strange = |at: usize| !text[at..].starts_with(TEMPORARY_OURS);
    if !own && text.match_indices(TEMPORARY).any(|(at, _)| strange(at)) {
        violations.push(format!("{file}: names a temporary file that is not `{TEMPORARY_OURS}…`"));
    }
    if file.ends_with("Cargo.toml") && file != "Cargo.toml" {
        for line in text.lines().filter(|line| line.contains("version = \"")) {
            violations.push(format!("{file}: `{line}` pins a version outside the workspace"));
        }
        let is_member = text.contains("[package]") && !text.contains("[workspace]");
        let linted = text.contains("[lints]\nworkspace = true") || file.starts_with(UNSAFE_CRATE);
        if is_member && !linted {
            violations.push(format!("{file}: lacks the workspace's lints"));
        }
    }
}

/// Whether a line marks a test without a bound: any attribute whose path ends in `test`.
fn is_unbounded(line: &str) -> bool {
    let Some(attribute) = line.trim_start().strip_prefix("#[") else { return false };
    let path = attribute.split(['(', ']', ' ']).next().unwrap_or_default();
    path.rsplit("::").next() == Some("test") && !["bounded::test", GENERATED].contains(&path)
}

/// Left-overs of drafts, and the paths of whatever machine this is: its home folder, this checkout.
fn forbidden(root: &Path) -> Vec<String> {
    let mut words: Vec<String> = DRAFTS.map(str::to_owned).to_vec();
    words.push(root.display().to_string());
    let home = std::env::home_dir().filter(|home| home.parent().is_some());
    words.extend(home.map(|home| format!("{}/", home.display())));
    words
}

/// Rooms that must not depend on others, checked on the real dependency graph.
fn check_dependencies(root: &Path, violations: &mut Vec<String>) -> anyhow::Result<()> {
    for (package, features, forbidden) in EDGES {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--edges", "normal", "--prefix", "none", "--no-default-features"])
            .args(["--package", package, "--features", features])
            .current_dir(root)
            .output()
            .context("cargo tree")?;
        if !output.status.success() {
            bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        }
        let tree = String::from_utf8_lossy(&output.stdout).into_owned();
        for name in *forbidden {
            let depends = tree.lines().skip(1).any(|line| line.split(' ').next() == Some(*name));
            if depends {
                violations.push(format!("{package} must not depend on {name}"));
            }
        }
    }
    Ok(())
}

fn tracked_files(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git").arg("ls-files").current_dir(root).output().context("git")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

const LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 600;

/// What `#[bounded::test]` becomes.
const GENERATED: &str = "::core::prelude::v1::test";

/// The C library: the one crate with unsafe code.
const UNSAFE_CRATE: &str = "ffi/c/";

/// Where documents may put an example's files, and where not.
const TEMPORARY: &str = "/tmp/";
const TEMPORARY_OURS: &str = "/tmp/weir-";
/// Left-overs of drafts.
const DRAFTS: [&str; 2] = ["TODO", "FIXME"];

/// Package, features, and what it must not depend on.
const EDGES: &[(&str, &str, &[&str])] = &[
    ("weir-protocol", "native", &["tokio", "prost", "sled", "tonic"]),
    (
        "weir-conformance",
        "",
        &["weir-server", "weir-proto", "weir-devnet", "tokio", "tonic", "blst"],
    ),
    ("weir-verifier", "native,json", &["weir-client", "weir-proto", "tokio", "sled", "tonic"]),
    (
        "weir-peers",
        "",
        &[
            "weir-protocol",
            "weir-proto",
            "weir-verifier",
            "weir-client",
            "weir-server",
            "tokio",
            "tonic",
        ],
    ),
    ("weir-walk", "native,json", &["weir-client", "weir-proto", "tokio", "sled", "tonic"]),
    // Of what carries messages it has the messages alone: `hyper` is what would send them.
    ("weir-host", "native", &["weir-server", "weir-client", "hyper", "sled"]),
    ("weir-client", "native", &["weir-server", "sled"]),
    ("weir", "", &["weir-server", "sled"]),
    ("weir-wasm", "", &["weir-server", "weir-client", "weir-conformance", "hyper", "sled", "blst"]),
    ("weir-server", "", &["weir-verifier", "weir-client", "weir-devnet", "weir-proxy"]),
    ("weir-proxy", "", &["weir-server", "weir-devnet", "weir-access-api", "sled"]),
    ("weir-ffi", "uniffi", &["weir-server", "weir-client", "weir-conformance", "hyper", "sled"]),
    ("weir-ffi-c", "", &["weir-server", "weir-client", "uniffi", "hyper", "sled"]),
    ("weir-proto", "", &["weir-server", "weir-verifier", "sled"]),
    ("weir-devnet", "", &["weir-server", "weir-verifier", "sled"]),
    ("weir-access-api", "", &["weir-server", "weir-verifier", "weir-devnet", "sled"]),
    ("weir-migrations", "", &["weir-server", "weir-protocol", "weir-verifier"]),
];

#[cfg(test)]
mod tests {
    use super::is_unbounded;

    #[bounded::test]
    fn a_test_without_a_bound_is_refused() {
        for line in ["#[test]", "    #[tokio::test]", "#[tokio::test(flavor = \"multi_thread\")]"] {
            assert!(is_unbounded(line), "{line}");
        }
        for line in ["#[bounded::test]", "    #[bounded::test(start_paused = true)]", "//! #[test]"]
        {
            assert!(!is_unbounded(line), "{line}");
        }
        assert!(!is_unbounded("#[cfg(test)]") && !is_unbounded("#[ignore = \"a test\"]"));
    }
}
