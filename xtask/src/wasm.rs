//! The package for pages and Node: `target/wasm-pkg`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

/// Writes the package and fails when it is larger than a page may be asked to load.
pub(crate) fn package(root: &Path) -> anyhow::Result<()> {
    let out = root.join("target/wasm-pkg");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    // What most pages need, and all of it, which is loaded where it is needed.
    bind(root, &["--no-default-features", "--features", "watch"], &out, "verifier")?;
    bind(root, &[], &out, "verifier_full")?;
    fs::copy(root.join("LICENSE"), out.join("LICENSE"))?;
    for entry in fs::read_dir(root.join(PACKAGE))? {
        let entry = entry?;
        fs::copy(entry.path(), out.join(entry.file_name()))?;
    }
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    if !fs::read_to_string(out.join("package.json"))?.contains(&version) {
        bail!("{PACKAGE}/package.json lacks {version}");
    }
    check_sizes(&out)
}

/// Writes the binding with the negative suite in it, for tests.
pub(crate) fn conformance(root: &Path) -> anyhow::Result<PathBuf> {
    let out = root.join("target/wasm-conformance");
    bind(root, &["--features", "conformance"], &out, "verifier")?;
    Ok(out)
}

/// Compiles the crate and writes the script that loads it.
fn bind(root: &Path, features: &[&str], out: &Path, name: &str) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "-p", "weir-wasm", "--profile", "wasm", "--target", TARGET])
        .args(features)
        .current_dir(root)
        .status()
        .context("cargo build")?;
    if !status.success() {
        bail!("cargo build failed; `rustup target add {TARGET}` installs the target");
    }
    let compiled = root.join("target").join(TARGET).join("wasm/weir_wasm.wasm");
    Bindgen::new()
        .input_path(compiled)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)
}

/// Compares what a page loads with the limits, and prints it.
fn check_sizes(out: &Path) -> anyhow::Result<()> {
    let (mut wasm, mut script) = (0, 0);
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => wasm += gzipped(&path)?,
            Some("js") => script += gzipped(&path)?,
            _ => {}
        }
    }
    println!("target/wasm-pkg: .wasm {wasm} bytes, script {script} bytes, both as gzip has them");
    if wasm > WASM_GZIP_BYTES_MAX || script > SCRIPT_GZIP_BYTES_MAX {
        bail!("at most {WASM_GZIP_BYTES_MAX} and {SCRIPT_GZIP_BYTES_MAX} bytes");
    }
    Ok(())
}

fn gzipped(path: &Path) -> anyhow::Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(path)?)?;
    Ok(encoder.finish()?.len())
}

/// The package's own files.
const PACKAGE: &str = "web/package";
const TARGET: &str = "wasm32-unknown-unknown";
/// Largest `.wasm`, gzipped.
const WASM_GZIP_BYTES_MAX: usize = 200_000;
/// All scripts together, each gzipped.
const SCRIPT_GZIP_BYTES_MAX: usize = 60_000;
