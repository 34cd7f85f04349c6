//! Blocks from elsewhere, for records of the log that are damaged; each is held against its hashes.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;
use weir_dial::{AccessNode, Dialer};
use weir_log::Record;
use weir_proto::flow::entities;
use weir_protocol::codec::payload_hash;

use crate::ingest::Prepared;
use crate::source::access::{NoPeer, Nodes};
use crate::source::{ChainFolder, SourceError};
use crate::store::Reader;

/// Where damaged blocks are fetched from.
#[derive(Clone, Debug)]
pub enum RepairSource {
    /// A chain folder, or the data folder of another server.
    Folder(ChainFolder),
    /// Access nodes, by preference, and who connects to them.
    Access(Vec<AccessNode>, Dialer),
}

/// Why blocks could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unfetched {
    /// The folder cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Access nodes are asked by height, which only the index knows.
    #[error(
        "access nodes are asked by height, which an unusable index does not tell; take replay:"
    )]
    NoIndex,
    /// No access node was named.
    #[error(transparent)]
    NoNode(#[from] NoPeer),
    /// No runtime for the network.
    #[error("cannot use the network")]
    Network(#[from] std::io::Error),
}

/// The records of ordinals, as far as the source has them.
///
/// With an index, a record is the one that the index names; without, the one at the same place of the
/// source, which the links of the log then show to be right or wrong.
pub(super) fn fetch(
    source: &RepairSource,
    missing: &[Range<u64>],
    index: Option<&Reader>,
) -> Result<BTreeMap<u64, Record>, Unfetched> {
    match source {
        RepairSource::Folder(folder) => from_folder(folder, missing, index),
        RepairSource::Access(nodes, dialer) => {
            let index = index.ok_or(Unfetched::NoIndex)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // Within the runtime, for connections need it.
            runtime.block_on(async {
                Ok(from_network(Nodes::new(nodes, dialer)?, missing, index).await)
            })
        }
    }
}

fn from_folder(
    folder: &ChainFolder,
    missing: &[Range<u64>],
    index: Option<&Reader>,
) -> Result<BTreeMap<u64, Record>, Unfetched> {
    let mut records = BTreeMap::new();
    let wanted: u64 = missing.iter().map(|range| range.end - range.start).sum();
    let blocks = folder.blocks()?;
    // Where the log of a data folder was pruned, its first block is not at 0.
    for (place, wire) in (blocks.progress().0..).zip(blocks) {
        if records.len() as u64 == wanted {
            break;
        }
        let Some(record) = verified(wire?) else { continue };
        let ordinal = index.map_or(Some(place), |index| index.indexed_at(&record.id));
        let ordinal = ordinal.filter(|o| missing.iter().any(|range| range.contains(o)));
        if let Some(ordinal) = ordinal {
            records.insert(ordinal, record);
        }
    }
    Ok(records)
}

async fn from_network(
    mut nodes: Nodes,
    missing: &[Range<u64>],
    index: &Reader,
) -> BTreeMap<u64, Record> {
    let mut records = BTreeMap::new();
    for ordinal in missing.iter().cloned().flatten() {
        let Some(height) = index.height_of_finalized(ordinal) else { continue };
        let is_it = |record: &Record| index.indexed_at(&record.id) == Some(ordinal);
        let record = nodes.block(height, |wire| verified(wire).filter(is_it)).await;
        records.extend(record.map(|record| (ordinal, record)));
    }
    records
}

/// The record of a block whose header has its ID and whose payload has the header's hash.
fn verified(wire: entities::Block) -> Option<Record> {
    let prepared = Prepared::new(wire).ok()?;
    let (block, roots) = prepared.into_parts();
    (payload_hash(&roots) == block.header.payload_hash).then(|| crate::store::record_of(&block))
}
