//! The libraries for other languages: `weir.h`, and `target/ffi`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::succeed;

/// Fails when the checked-in header is not what the code says.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    if fs::read_to_string(root.join(HEADER))? != header(root)? {
        bail!("{HEADER} is stale: run `cargo xtask ffi`");
    }
    Ok(())
}

/// Writes the header, and the libraries as they are released.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let header = header(root)?;
    if fs::read_to_string(root.join(HEADER)).ok().as_ref() != Some(&header) {
        fs::write(root.join(HEADER), header)?;
    }
    let out = libraries(root, "release")?;
    for library in [format!("c/{}", shared("weir_c")), format!("python/{}", shared("weir_ffi"))] {
        println!("target/ffi/{library}: {} bytes", fs::metadata(out.join(&library))?.len());
    }
    Ok(())
}

/// Builds the libraries in a profile, and generates the languages' side; returns `target/ffi`.
pub(crate) fn libraries(root: &Path, profile: &str) -> anyhow::Result<PathBuf> {
    let out = root.join("target/ffi");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    // One after the other: what uniffi needs must not get into the C library.
    for package in ["weir-ffi-c", "weir-ffi"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--lib", "-p", package, "--profile"]);
        cargo.arg(if profile == "debug" { "dev" } else { profile });
        succeed(cargo.current_dir(root))?;
    }
    let built = root.join("target").join(profile);
    let c = out.join("c");
    fs::create_dir_all(&c)?;
    fs::copy(root.join(HEADER), c.join("weir.h"))?;
    for library in [shared("weir_c"), "libweir_c.a".to_owned()] {
        fs::copy(built.join(&library), c.join(&library)).with_context(|| library.clone())?;
    }
    let library = shared("weir_ffi");
    for language in LANGUAGES {
        let folder = out.join(language);
        bind(root, &built.join(&library), language, &folder)?;
        fs::copy(built.join(&library), folder.join(&library))?;
    }
    Ok(out)
}

/// Generates the side of one language from what the library says of itself.
fn bind(root: &Path, library: &Path, language: &str, out: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "-p", "weir-ffi-bindgen", "--", "generate", "--no-format"]);
    cargo.args(["--language", language, "--out-dir"]).arg(out).arg(library);
    succeed(cargo.current_dir(root))
}

fn header(root: &Path) -> anyhow::Result<String> {
    let folder = root.join("ffi/c");
    let config = cbindgen::Config::from_root_or_default(&folder);
    let builder = cbindgen::Builder::new().with_config(config).with_src(folder.join("src/lib.rs"));
    let mut text = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut text);
    Ok(String::from_utf8(text)?)
}

/// A shared library's file name.
pub(crate) fn shared(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

const HEADER: &str = "ffi/c/include/weir.h";
const LANGUAGES: [&str; 3] = ["kotlin", "swift", "python"];
