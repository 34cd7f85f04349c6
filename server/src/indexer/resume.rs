//! Going on where the store ends.

use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::LastSealed;

use super::IndexError;
use super::batch::{BatchWriter, Pending};
use crate::ingest::{Chain, Restored};
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
    let mut chain = Chain::restore(restored(prover, &sealed, &mut writer)?)?;
    // The root stands for what is sealed below it.
    if head.sealed.height == head.first_height {
        let json = prover.reader().root_snapshot()?.unwrap_or_default();
        chain.add_history(&Snapshot::from_json(&json)?);
    }
    for ordinal in head.resume_ordinal..head.blocks {
        let block = prover.block_at(ordinal)?;
        let kept = block.record.header.height >= head.sealed.height;
        if kept && ordinal != head.sealed.ordinal {
            chain.restore_block(restored(prover, &block, &mut writer)?)?;
        }
    }
    Ok((chain, writer))
}

fn restored(
    prover: &Prover,
    block: &IndexedBlock,
    writer: &mut BatchWriter,
) -> Result<Restored, IndexError> {
    let record = &block.record;
    let state = prover.states().load(&record.protocol_state_id)?;
    let (block_id, head) = (block.block_id, prover.head());
    let bytes = record.payload().ok_or(ProverError::PrunedPayload { block_id, head })?;
    let payload = payload::decode(bytes)
        .map_err(|source| ProverError::Malformed { what: "payload", source })?;
    let (sealed_id, height) = prover.reader().last_sealed(record)?;
    let last_sealed = LastSealed { block_id: sealed_id, height };
    writer.note(
        block_id,
        Pending {
            ordinal: block.ordinal,
            height: record.header.height,
            view: record.header.view,
            seals: payload.seals,
            last_sealed_id: sealed_id,
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
