//! Going on where the store ends.

use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::sealing::LastSealed;

use super::batch::{BatchWriter, Pending};
use super::{IndexError, payload};
use crate::ingest::{Chain, Restored};
use crate::prover::{Prover, ProverError, StoredBlock};
use crate::source::Blocks;
use crate::store::Head;

/// The source is of the chain and spork that the store holds.
pub(super) fn check_same_chain(head: &Head, snapshot: &Snapshot) -> Result<(), IndexError> {
    let (stored, params) = (&head.chain, snapshot.params());
    let another = |field, expected: String, found: String| {
        Err(IndexError::AnotherChain { field, expected, found })
    };
    if stored.chain_id != params.chain_id {
        return another("chain", stored.chain_id.clone(), params.chain_id.clone());
    }
    if stored.spork_id != params.spork_id {
        return another("spork", stored.spork_id.to_string(), params.spork_id.to_string());
    }
    Ok(())
}

/// Skips the blocks that the store has, checking that they are the same.
pub(super) fn skip(
    blocks: &mut Blocks,
    prover: &Prover,
    first: &weir_proto::flow::entities::Block,
) -> Result<(), IndexError> {
    let reader = prover.reader();
    let mut next = Some(Ok(first.clone()));
    for ordinal in 0..reader.head().blocks {
        let wire = match next.take().or_else(|| blocks.next()) {
            Some(wire) => Some(wire?),
            None => None,
        };
        let found = wire.as_ref().and_then(|wire| Identifier::try_from(&wire.id[..]).ok());
        let expected = prover.block_at(ordinal)?.block_id;
        if found != Some(expected) {
            let found = found.map_or_else(|| "missing".to_owned(), |id| id.to_string());
            return Err(IndexError::AnotherOrder { ordinal, expected, found });
        }
    }
    Ok(())
}

/// The chain and the writer as they were after the last batch.
pub(super) fn restore(prover: &Prover) -> Result<(Chain, BatchWriter), IndexError> {
    let head = prover.head();
    let mut writer = BatchWriter::with_head(Head::clone(&head));
    let sealed = prover.block_at(head.sealed.ordinal)?;
    let mut chain = Chain::restore(restored(prover, &sealed, &mut writer)?)?;
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
    block: &StoredBlock,
    writer: &mut BatchWriter,
) -> Result<Restored, IndexError> {
    let record = &block.record;
    let state = prover.states().load(&record.roots.protocol_state_id)?;
    let bytes = prover.reader().payload(block.ordinal).map_err(ProverError::from)?;
    let (block_id, head) = (block.block_id, prover.head());
    let bytes = bytes.ok_or(ProverError::PrunedPayload { block_id, head })?;
    let payload = payload::decode(&bytes)
        .map_err(|source| ProverError::Malformed { what: "payload", source })?;
    let sealed = prover.block_by_id(record.last_sealed_id)?;
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
        last_sealed: LastSealed { block_id: sealed.block_id, height: sealed.record.header.height },
        results: payload.results,
    })
}
