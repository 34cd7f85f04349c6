//! The package for pages and Node: `target/wasm-pkg`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

use crate::wasm_order;

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
    for entry in fs::read_dir(&out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            fs::write(&path, without_comments(&fs::read_to_string(&path)?)?)?;
        }
    }
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    if !fs::read_to_string(out.join("package.json"))?.contains(&version) {
        bail!("{PACKAGE}/package.json lacks {version}");
    }
    check_sizes(&out)
}

/// Prints what each part of the module costs.
pub(crate) fn parts(root: &Path) -> anyhow::Result<()> {
    let out = root.join("target/wasm-parts");
    let mut least = 0;
    for part in PARTS {
        bind(root, &["--no-default-features", "--features", part], &out, "part")?;
        let bytes = gzipped(&out.join("part_bg.wasm"))?;
        match part {
            "" => println!("sync and questions: {bytes} bytes as gzip"),
            part => println!("{part}: {} more", bytes.saturating_sub(least)),
        }
        least = if part.is_empty() { bytes } else { least };
    }
    Ok(())
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
        .env("RUSTFLAGS", without_paths(root)?)
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
        .generate(out)?;
    let module = out.join(format!("{name}_bg.wasm"));
    fs::write(&module, wasm_order::reorder(&fs::read(&module)?)?)?;
    Ok(())
}

/// Flags that keep this machine's folders out of the module, which is the same wherever it is made.
fn without_paths(root: &Path) -> anyhow::Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("no home")?;
    let mut flags = format!("--remap-path-prefix={}=weir", root.display());
    for registry in fs::read_dir(home.join("registry/src"))? {
        write!(flags, " --remap-path-prefix={}=", registry?.path().display())?;
    }
    Ok(flags)
}

/// A script without the lines that are comments, and without indentation: a page loads neither.
fn without_comments(script: &str) -> anyhow::Result<String> {
    let (mut kept, mut in_comment) = (String::new(), false);
    for line in script.lines() {
        let line = line.trim();
        let begins = !in_comment && line.starts_with("/*");
        if begins || in_comment {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            // Within a text of several lines everything would count.
            if line.matches('`').count() % 2 != 0 {
                bail!("a text of several lines in a script: {line}");
            }
            writeln!(kept, "{line}")?;
        }
    }
    Ok(kept)
}

/// Prints what each part costs, and fails when a page would load too much.
fn check_sizes(out: &Path) -> anyhow::Result<()> {
    let (mut page, mut script, mut more) = (0, 0, 0);
    let mut files = fs::read_dir(out)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let (path, name) = (file.path(), file.file_name().to_string_lossy().into_owned());
        let bytes = match name.rsplit('.').next() {
            Some("wasm" | "js") => gzipped(&path)?,
            _ => continue,
        };
        println!("target/wasm-pkg/{name}: {bytes} bytes as gzip");
        if name.starts_with("verifier_full") {
            more += bytes;
        } else if !OF_NO_PAGE.contains(&&*name) {
            page += bytes;
            script += if name.ends_with(".js") { bytes } else { 0 };
        }
    }
    println!(
        "a page loads {page} bytes, {script} of them script; receipts, evidence and trees {more} more"
    );
    if page > PAGE_GZIP_BYTES_MAX || more > MORE_GZIP_BYTES_MAX {
        bail!("at most {PAGE_GZIP_BYTES_MAX} bytes for a page, and {MORE_GZIP_BYTES_MAX} more");
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
/// Scripts that only Node loads, or whoever takes the verifier alone.
const OF_NO_PAGE: [&str; 3] = ["node.js", "verifier_node.js", "verifier_only.js"];
/// Features of the module by which [`parts`] tells what they cost, first none.
const PARTS: [&str; 5] = ["", "watch", "evidence", "tree", "verifier"];
/// What a page loads that syncs, asks and watches: module and scripts, each gzipped.
const PAGE_GZIP_BYTES_MAX: usize = 238_000;
/// What receipts, evidence and trees cost besides, when they are asked for.
const MORE_GZIP_BYTES_MAX: usize = 300_000;

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[bounded::test]
    fn keeps_what_is_no_comment() {
        let script =
            "// why\n\n/** one */\nlet a = `//`; // stays\n/*\n * two\n */\n  a += \"/*\";\n";
        let kept = without_comments(script).expect("no text has several lines");
        assert_eq!(kept, "let a = `//`; // stays\na += \"/*\";\n");
        assert!(without_comments("`a\nb`").is_err());
    }
}
