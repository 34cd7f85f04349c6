//! Rust from protobuf definitions, without protoc.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use prost::Message as _;

/// Writes the generated code.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let dir = root.join(GENERATED);
    fs::create_dir_all(&dir)?;
    for stale in stored(&dir)?.keys() {
        fs::remove_file(dir.join(stale))?;
    }
    for (name, content) in generate(root)? {
        fs::write(dir.join(name), content)?;
    }
    Ok(())
}

/// Fails when the checked-in code is not what would be written.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let (fresh, stored) = (generate(root)?, stored(&root.join(GENERATED))?);
    let stale: Vec<_> = fresh
        .keys()
        .chain(stored.keys())
        .filter(|name| fresh.get(*name) != stored.get(*name))
        .map(|name| name.display().to_string())
        .collect();
    if !stale.is_empty() {
        bail!("{GENERATED} is stale ({}): run `cargo xtask codegen`", stale.join(", "));
    }
    Ok(())
}

fn generate(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let include = root.join("proto/proto");
    let files = FILES.map(|file| include.join(file));
    let descriptors = protox::compile(files, [&include]).context("proto/proto does not compile")?;
    let out = root.join("target/codegen");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    let bytes = descriptors.encode_to_vec();
    let mut config = tonic_prost_build::Config::new();
    // By which a message's definition is found.
    config.enable_type_names();
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::memory::BoundedCodec")
        .extern_path(COMPACT.0, COMPACT.1)
        .build_transport(false)
        .generate_default_stubs(true)
        .emit_rerun_if_changed(false)
        .out_dir(&out)
        .compile_fds_with_config(descriptors, config)?;
    format(root, &out)?;
    let mut generated = stored(&out)?;
    generated.insert(PathBuf::from(DESCRIPTORS), bytes);
    Ok(generated)
}

/// Formats generated code like the rest, so that `cargo fmt` leaves it alone.
fn format(root: &Path, dir: &Path) -> anyhow::Result<()> {
    let names = stored(dir)?.into_keys();
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .args(names.map(|name| dir.join(name)))
        .status()
        .context("rustfmt")?;
    if !status.success() {
        bail!("rustfmt failed on generated code");
    }
    Ok(())
}

/// The files of a folder, by name.
fn stored(dir: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| format!("no folder {}", dir.display()))? {
        let entry = entry?;
        files.insert(PathBuf::from(entry.file_name()), fs::read(entry.path())?);
    }
    Ok(files)
}

const FILES: [&str; 2] = ["weir/v1/snapshot.proto", "flow/access/access.proto"];
/// A message that is written by hand, for its list is kept compact.
const COMPACT: (&str, &str) =
    (".flow.entities.ExecutionReceiptMeta", "crate::flow::ExecutionReceiptMeta");
const GENERATED: &str = "proto/src/generated";
const DESCRIPTORS: &str = "descriptors.bin";
