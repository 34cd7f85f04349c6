//! Going on where the store ends.

use std::cell::OnceCell;

use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::LastSealed;

use super::IndexError;
use super::batch::{BatchWriter, Pending};
use crate::ingest::{Chain, Restored, Rule, failure, position_of};
use crate::payload;
use crate::prover::{IndexedBlock, Prover, ProverError};
use crate::store::Head;

/// The source is of the chain and spork that the store holds.
pub(super) fn check_same_chain(
    head: &Head,
    chain_id: &str,
    spork_id: Identifier,
) -> Result<(), IndexError> {
    let stored = &head.chain;
    let another = |field, expected: String, found: String| {
        Err(IndexError::AnotherChain { field, expected, found })
    };
    if stored.chain_id != chain_id {
        return another("chain", stored.chain_id.clone(), chain_id.to_owned());
    }
    if stored.spork_id != spork_id {
        return another("spork", stored.spork_id.to_string(), spork_id.to_string());
    }
    Ok(())
}

/// The chain and the writer as they were after the last batch.
pub(super) fn restore(prover: &Prover) -> Result<(Chain, BatchWriter), IndexError> {
    let head = prover.head();
    let mut writer = BatchWriter::with_head(Head::clone(&head));
    let sealed = prover.block_at(head.sealed.ordinal)?;
    let root = RootSnapshot::of(prover);
    let mut chain = Chain::restore(restored(prover, &sealed, &mut writer, &root)?)?;
    // The root stands for what is sealed below it.
    if head.sealed.ordinal == 0 {
        chain.add_history(root.read()?);
    }
    for ordinal in head.resume_ordinal..head.blocks {
        let block = prover.block_at(ordinal)?;
        let kept = block.record.header.height >= head.sealed.height;
        if kept && ordinal != head.sealed.ordinal {
            chain.restore_block(restored(prover, &block, &mut writer, &root)?)?;
        }
    }
    Ok((chain, writer))
}

/// The root snapshot, read when a block below the root is asked for.
struct RootSnapshot<'a> {
    prover: &'a Prover,
    snapshot: OnceCell<Snapshot>,
}

impl<'a> RootSnapshot<'a> {
    fn of(prover: &'a Prover) -> Self {
        Self { prover, snapshot: OnceCell::new() }
    }

    fn read(&self) -> Result<&Snapshot, IndexError> {
        if let Some(snapshot) = self.snapshot.get() {
            return Ok(snapshot);
        }
        let json = self.prover.reader().root_snapshot()?.unwrap_or_default();
        let snapshot = Snapshot::from_json(&json)?;
        Ok(self.snapshot.get_or_init(|| snapshot))
    }

    /// A block below the root that was sealed last as of the root or of a block above it.
    fn sealed(&self, block_id: Identifier) -> Result<LastSealed, IndexError> {
        let snapshot = self.read()?;
        let blocks = &snapshot.sealing_segment().blocks;
        let sealed = blocks.iter().find(|block| block.header.id() == block_id);
        let sealed = sealed.map(|block| LastSealed { block_id, height: block.header.height });
        let position = position_of(&snapshot.head().header);
        Ok(sealed.ok_or_else(|| failure(&position, Rule::RootSeal))?)
    }
}

fn restored(
    prover: &Prover,
    block: &IndexedBlock,
    writer: &mut BatchWriter,
    root: &RootSnapshot<'_>,
) -> Result<Restored, IndexError> {
    let record = &block.record;
    let state = prover.states().load(&record.roots.protocol_state_id)?;
    let bytes = prover.reader().payload(block.ordinal).map_err(ProverError::from)?;
    let (block_id, head) = (block.block_id, prover.head());
    let bytes = bytes.ok_or(ProverError::PrunedPayload { block_id, head })?;
    let payload = payload::decode(&bytes)
        .map_err(|source| ProverError::Malformed { what: "payload", source })?;
    let last_sealed = match prover.reader().ordinal_of(&record.last_sealed_id)? {
        Some(ordinal) => {
            let height = prover.block_at(ordinal)?.record.header.height;
            LastSealed { block_id: record.last_sealed_id, height }
        }
        None => root.sealed(record.last_sealed_id)?,
    };
    writer.note(
        block_id,
        Pending {
            ordinal: block.ordinal,
            height: record.header.height,
            view: record.header.view,
            seals: payload.seals,
            last_sealed_id: record.last_sealed_id,
            epoch_counter: record.epoch_counter,
            next_committed: state.next_commit().is_some(),
        },
    );
    Ok(Restored {
        ordinal: block.ordinal,
        header: record.header.clone(),
        state,
        last_sealed,
        results: payload.results,
    })
}
