//! `weir evidence`, and what becomes of servers that lied: what they said is kept, and shown.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use weir_client::sync::{Lie, Testimony, Verdict};
use weir_protocol::model::Identifier;
use weir_protocol::request::Request;
use weir_verifier::{Act, Finding, Misbehaviour};

use super::args::Arguments;
use super::say::{escaped, say};
use super::state_folder::StateFolder;
use super::{EXIT_WORD, message, read, stdout, text};

/// What to do with evidence of misbehaviour.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// List what is kept
    List,
    /// Show one file, and check it from the checkpoint on
    Show {
        /// The file: its name as listed, or its path
        file: PathBuf,
    },
}

/// Runs one of the commands; the exit code.
pub(crate) fn run(arguments: &Arguments, command: &EvidenceCommand) -> anyhow::Result<u8> {
    let folder = arguments.folder()?;
    match command {
        EvidenceCommand::List => list(arguments, &folder).map(|()| 0),
        EvidenceCommand::Show { file } => {
            let kept = folder.evidence().file(file);
            let path = if kept.is_file() { &kept } else { file };
            verify(arguments, path, &read(path)?)
        }
    }
}

/// Checks a file from the checkpoint on, and prints what is wrong; the exit code is 0 only where
/// nothing of it is somebody's word.
pub(crate) fn verify(arguments: &Arguments, path: &Path, bytes: &[u8]) -> anyhow::Result<u8> {
    let about = || path.display().to_string();
    let found = Misbehaviour::from_bytes(bytes).with_context(about)?;
    let finding = found.verify(arguments.checkpoint()?).with_context(about)?;
    let mut fields = describe(&found);
    match finding.value() {
        Finding::BrokenRule { rule, signed_by, proved } => {
            fields["broken_rule"] = json!(rule.to_string());
            fields["signed_by"] = json!(signed_by.map(|key| Identifier(key).to_hex()));
            fields["proved_from_checkpoint"] = json!(proved);
        }
        Finding::Conflict { height, block_ids } => {
            fields["height"] = json!(height);
            fields["block_ids"] = block_ids.iter().map(Identifier::to_hex).collect();
        }
        _ => {}
    }
    let convicts = finding.convicts();
    fields["convicts"] = json!(convicts);
    let code = if convicts { 0 } else { EXIT_WORD };
    if arguments.json {
        return stdout(format!("{fields}\n").as_bytes()).map(|()| code);
    }
    let first = if convicts {
        "verified: the server misbehaved"
    } else {
        "not proved: this is the word of whoever wrote the file"
    };
    stdout(format!("{first}\n{}", text::fields(&fields)).as_bytes()).map(|()| code)
}

fn list(arguments: &Arguments, folder: &StateFolder) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for path in folder.evidence().files()? {
        let bytes = read(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match Misbehaviour::from_bytes(&bytes) {
            Ok(found) => {
                let mut fields = describe(&found);
                fields["file"] = json!(name);
                files.push((found.seen_at_ms, fields));
            }
            Err(error) => say(&format_args!("{name} is passed over: {error}")),
        }
    }
    files.sort_by_key(|(seen_at_ms, _)| *seen_at_ms);
    let files: Vec<Value> = files.into_iter().map(|(_, fields)| fields).collect();
    if arguments.json {
        return stdout(format!("{}\n", Value::Array(files)).as_bytes());
    }
    let line = |fields: &Value| {
        let text = |name: &str| escaped(fields[name].as_str().unwrap_or_default()).into_owned();
        let (file, seen, server) = (text("file"), text("seen_at"), text("server"));
        format!("{file}  {seen}  {}  {server}\n", text("kind"))
    };
    stdout(files.iter().map(line).collect::<String>().as_bytes())
}

fn describe(found: &Misbehaviour) -> Value {
    let seen_at = UNIX_EPOCH.checked_add(Duration::from_millis(found.seen_at_ms));
    let seen_at = seen_at.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let mut fields = json!({
        "server": found.server,
        "seen_at": seen_at,
        "seen_at_ms": found.seen_at_ms,
    });
    match &found.act {
        Act::WrongAnswer(wrong) => {
            fields["kind"] = json!("wrong answer");
            fields["asked"] = json!(match &wrong.request {
                Request::Checkpoint(_) => "the checkpoint",
                Request::EpochHops(_) => "epoch hops",
                Request::Answer(_) => "a question",
                Request::TreeProof(_) => "a proof about the snapshot tree",
            });
        }
        Act::Conflict { other_server, .. } => {
            fields["kind"] = json!("two final blocks");
            fields["other_server"] = json!(other_server);
        }
        _ => {}
    }
    fields
}

/// Says which servers are not asked any more and why, and keeps what they said.
///
/// An error that ends the command, about `ending`, speaks for itself.
pub(crate) fn tell_lies(kept: &Kept<'_>, lies: &[Lie], ending: Option<&str>) {
    say_lies(lies, ending);
    for lie in lies {
        kept.keep(lie.misbehaviour.as_ref());
    }
}

/// As [`tell_lies`], and keeps nothing.
pub(crate) fn say_lies(lies: &[Lie], ending: Option<&str>) {
    for lie in lies.iter().filter(|lie| ending != Some(&lie.url)) {
        say(&format_args!("{} is not asked again: {}", lie.url, lie.fault));
    }
}

/// Says what witnesses think of the head, and keeps what shows misbehaviour; whether one of them
/// proves another block.
pub(crate) fn tell_testimonies(kept: &Kept<'_>, testimonies: &[Testimony]) -> bool {
    let mut conflicts = false;
    for Testimony { url, verdict, .. } in testimonies {
        match verdict {
            Verdict::Agrees => {}
            Verdict::Behind { height } => {
                say(&format_args!(
                    "witness {url} is behind, at height {height}, and agrees so far"
                ));
            }
            Verdict::Silent(error) => say(&format_args!("no witness: {error}")),
            Verdict::Rejected { rejection, misbehaviour } => {
                say(&format_args!("witness {url}: {rejection}"));
                kept.keep(misbehaviour.as_deref());
            }
            Verdict::Conflicts { misbehaviour } => {
                conflicts = true;
                say(&format_args!(
                    "witness {url} proves another final block: more than a third of the \
                     committee signed both; believe neither until you know which is Flow's"
                ));
                kept.keep(misbehaviour.as_deref());
            }
            _ => {}
        }
    }
    conflicts
}

/// Where to keep what servers said, if anywhere, and the checkpoint that it is checked from.
pub(crate) struct Kept<'a> {
    pub(crate) folder: Option<&'a StateFolder>,
    pub(crate) checkpoint: Identifier,
}

impl Kept<'_> {
    fn keep(&self, misbehaviour: Option<&Misbehaviour>) {
        let Some((folder, found)) = self.folder.zip(misbehaviour) else { return };
        match folder.keep_evidence(found, self.checkpoint) {
            Ok(path) => say(&format_args!("what it said is kept in {}", path.display())),
            Err(error) => say(&message(&error)),
        }
    }
}
