//! `weir-server receipt-key`, and the files it makes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::commands::output::output;
use anyhow::{Context as _, anyhow};
use clap::Args;
use weir_protocol::model::Identifier;
use weir_server::api::Signer;

/// Which file to make.
#[derive(Debug, Args)]
pub(crate) struct ReceiptKeyOptions {
    /// File for the secret key; one that exists is left as it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Makes a key, unless there is one, and prints its public half.
pub(crate) fn run(options: &ReceiptKeyOptions) -> anyhow::Result<ExitCode> {
    let path = &options.file;
    if !path.exists() {
        make(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output!("{}", Identifier(read(path)?.public_key()));
    Ok(ExitCode::SUCCESS)
}

/// Reads the key that signs receipts: 64 hexadecimal digits.
pub(crate) fn read(path: &Path) -> anyhow::Result<Signer> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let secret: Identifier = text.trim().parse().map_err(|_| {
        anyhow!(
            "{} is no key: 64 hexadecimal digits; make one with `weir-server receipt-key FILE`",
            path.display()
        )
    })?;
    Ok(Signer::new(&secret.0))
}

fn make(path: &Path) -> anyhow::Result<()> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", Identifier(secret))?;
    Ok(file.sync_all()?)
}
