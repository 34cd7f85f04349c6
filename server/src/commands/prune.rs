//! `weir-server prune`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::output::output;
use clap::Args;
use weir_protocol::model::Identifier;
use weir_server::prune::{Prune, Pruned, prune};
use weir_server::store::StoreOptions;

/// From what to take away.
#[derive(Debug, Args)]
pub(crate) struct PruneOptions {
    /// Data folder, which no server may have open
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    what: What,
}

/// What to take away.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
struct What {
    /// Remove blocks below a height, in whole segments of the log
    #[arg(long, value_name = "HEIGHT")]
    before: Option<u64>,
    /// Remove the payloads of blocks below a height, in whole segments; headers stay
    #[arg(long, value_name = "HEIGHT")]
    payloads_before: Option<u64>,
    /// Remove the payload of one block; its header and the roots of its payload stay, and say so
    #[arg(long, value_name = "BLOCK_ID")]
    payload_of: Option<Identifier>,
}

/// Takes away, and says what cannot be answered any more.
pub(crate) fn run(options: &PruneOptions) -> anyhow::Result<ExitCode> {
    let PruneOptions { data, what: What { before, payloads_before, payload_of } } = options;
    let what = before.map(Prune::Before).or(payloads_before.map(Prune::PayloadsBefore));
    let what = what.or(payload_of.map(Prune::PayloadOf));
    let Some(what) = what else { anyhow::bail!("name what to remove") };
    let pruned = prune(data, what, &StoreOptions::default())?;
    let Pruned { blocks, payloads, first_height, first_epoch_counter, .. } = pruned;
    output!("removed {blocks} blocks and {payloads} payloads");
    if blocks == 0 && payloads == 0 {
        output!(
            "nothing to remove: only whole segments of the log go, with sealed blocks behind them"
        );
    }
    if blocks > 0 {
        output!(
            "served from height {first_height} of epoch {first_epoch_counter} on; below, no snapshot, \
             header, seal or result is answered, and clients with an older checkpoint need a newer one"
        );
    }
    if let Some(block_id) = pruned.first_block_id {
        output!(
            "to follow access nodes from an older checkpoint, name --checkpoint {block_id} from now on"
        );
    }
    if payloads > 0 {
        output!(
            "seals, results, guarantees and full blocks from those payloads are not answered any more; \
             headers and snapshots of the protocol state are"
        );
    }
    if let Some(height) = pruned.remade_from.filter(|height| *height > first_height) {
        output!("an index that has to be made again begins at height {height}");
    }
    Ok(ExitCode::SUCCESS)
}
