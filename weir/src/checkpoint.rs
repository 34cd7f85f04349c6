//! `weir checkpoint`: what is trusted, and how it gets from one machine to another.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use weir_protocol::model::Identifier;
use weir_verifier::{TrustedBlock, TrustedState};

use super::args::{Arguments, CheckpointCommand, NewCheckpoint};
use super::say::say;
use super::state_folder::{self, Kept, STANDARD, StateFolder};
use super::{stdout, text};

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments, action: &CheckpointCommand) -> anyhow::Result<()> {
    let folder = arguments.folder()?;
    match action {
        CheckpointCommand::Show => show(arguments, &folder, arguments.checkpoint()?),
        CheckpointCommand::Set { checkpoint } => {
            let checkpoint = set(&folder, checkpoint)?;
            show(arguments, &folder, checkpoint)
        }
        CheckpointCommand::Export { file } => export(&folder, arguments.checkpoint()?, file),
    }
}

fn set(folder: &StateFolder, new: &NewCheckpoint) -> anyhow::Result<Identifier> {
    let checkpoint = match (&new.file, new.block_id) {
        (Some(file), _) => {
            let state = state_folder::import(file)?;
            if folder.keep(&state)? == Kept::Newer {
                say(&format_args!("what is kept is newer than {}, and stays", file.display()));
            }
            state.checkpoint().block_id
        }
        (None, Some(block_id)) => {
            folder.load(block_id)?;
            block_id
        }
        (None, None) => bail!("no checkpoint given: pass BLOCK_ID or --file FILE"),
    };
    folder.set_default_checkpoint(checkpoint)?;
    Ok(checkpoint)
}

fn export(folder: &StateFolder, checkpoint: Identifier, file: &Path) -> anyhow::Result<()> {
    let state = folder.load(checkpoint)?.with_context(|| {
        format!("nothing is kept for checkpoint {checkpoint} yet: run `weir sync` first")
    })?;
    if file != Path::new(STANDARD) {
        let written = fs::write(file, state.to_bytes());
        return written.with_context(|| format!("cannot write {}", file.display()));
    }
    if std::io::stdout().is_terminal() {
        bail!("a trusted state is no text: redirect it, or name a file");
    }
    stdout(&state.to_bytes())
}

fn show(arguments: &Arguments, folder: &StateFolder, checkpoint: Identifier) -> anyhow::Result<()> {
    let state = folder.load(checkpoint)?;
    let is_default = folder.default_checkpoint()? == Some(checkpoint);
    let mut shown = describe(folder, checkpoint, state.as_ref(), is_default);
    if arguments.json {
        return stdout(format!("{shown}\n").as_bytes());
    }
    if let Value::Object(fields) = &mut shown {
        fields.retain(|_, value| !value.is_null());
    }
    let mut lines = format!("checkpoint {checkpoint}\n{}", text::fields(&shown));
    if state.is_none() {
        lines.push_str("nothing is proved from it yet: run `weir sync`\n");
    }
    stdout(lines.as_bytes())
}

fn describe(
    folder: &StateFolder,
    checkpoint: Identifier,
    state: Option<&TrustedState>,
    is_default: bool,
) -> Value {
    let block = |block: &TrustedBlock| {
        json!({
            "block_id": block.block_id.to_hex(),
            "height": block.height,
            "view": block.view,
            "timestamp_ms": block.timestamp_ms,
        })
    };
    json!({
        "checkpoint_id": checkpoint.to_hex(),
        "default": is_default,
        "chain_id": state.map(TrustedState::chain_id),
        "checkpoint": state.map(|state| block(state.checkpoint())),
        "head": state.map(|state| block(state.head())),
        "first_epoch_counter": state.map(|state| state.oldest_epoch().counter()),
        "newest_epoch_counter": state.map(|state| state.newest_epoch().counter()),
        "bytes_kept": state.map(|state| state.to_bytes().len()),
        "path": folder.file(checkpoint).display().to_string(),
    })
}
