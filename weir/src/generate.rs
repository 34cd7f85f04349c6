//! Completions and man pages, made from the arguments themselves.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Arguments;
use super::stdout;

/// Prints completions for a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    stdout(&script)
}

/// Writes one man page for `weir` and one for each of its commands.
pub(crate) fn man_pages(folder: &Path) -> anyhow::Result<()> {
    let written = fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    written.with_context(|| format!("cannot write to {}", folder.display()))
}
