//! `weir-server replay`.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::commands::output::say;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::ingest::evidence_json;
use weir_server::replay::{Replay, ReplayError};
use weir_server::source::ChainFolder;

/// Replays a folder; 3 when it holds conflicting certificates, 4 when a certified block breaks a rule.
pub(crate) fn run(dir: &Path, json: bool, all_signatures: bool) -> anyhow::Result<ExitCode> {
    let thoroughness = if all_signatures { Thoroughness::All } else { Thoroughness::Unvouched };
    let replay = match Replay::run(&ChainFolder::open(dir)?, thoroughness) {
        Err(error @ ReplayError::Halted(_)) => {
            say!("weir-server: {error}");
            return Ok(ExitCode::from(EXIT_HALTED));
        }
        replay => replay?,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        replay.write_json(&mut out)?;
    } else {
        writeln!(out, "{}", replay.summary())?;
    }
    if replay.evidence.is_empty() {
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", evidence_json(&replay.evidence))?;
    out.flush()?;
    say!("weir-server: conflicting certificates: this chain has two truths");
    Ok(ExitCode::from(EXIT_CONFLICT))
}

/// Two certified facts exclude each other.
const EXIT_CONFLICT: u8 = 3;
/// A certified block breaks a rule of this version.
const EXIT_HALTED: u8 = 4;
