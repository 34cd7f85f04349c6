//! Going on where the store ends.

use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::LastSealed;

use super::batch::{BatchWriter, Pending};
use super::{IndexError, payload};
use crate::ingest::{Chain, Restored, failure, last_sealed, position_of};
use crate::prover::{Prover, ProverError, StoredBlock};
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
    let root = RootSnapshot::of(prover, &head)?;
    let mut chain = Chain::restore(restored(prover, &sealed, &mut writer, &root)?)?;
    if let Some(snapshot) = &root.0 {
        chain.add_history(snapshot);
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

/// The root snapshot, while blocks below the root may still be sealed.
struct RootSnapshot(Option<Snapshot>);

impl RootSnapshot {
    fn of(prover: &Prover, head: &Head) -> Result<Self, IndexError> {
        // The root stands for what is sealed below it.
        if head.sealed.ordinal > 0 {
            return Ok(Self(None));
        }
        let json = prover.reader().root_snapshot()?.unwrap_or_default();
        Ok(Self(Some(Snapshot::from_json(&json)?)))
    }

    fn last_sealed(&self) -> Result<LastSealed, IndexError> {
        let snapshot = self.0.as_ref().ok_or(IndexError::NoBlocks)?;
        let rule = |rule| failure(&position_of(&snapshot.head().header), rule);
        Ok(last_sealed(snapshot).map_err(rule)?)
    }
}

fn restored(
    prover: &Prover,
    block: &StoredBlock,
    writer: &mut BatchWriter,
    root: &RootSnapshot,
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
        None => root.last_sealed()?,
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
