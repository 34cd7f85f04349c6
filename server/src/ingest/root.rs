//! The root: the head of a trusted snapshot, where a chain begins.

use std::sync::Arc;

use weir_proto::convert;
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::{ProtocolStateEntry, Snapshot};
use weir_protocol::codec::{Entity as _, entity_ids, payload_hash, payload_roots};
use weir_protocol::hotstuff::Committee;
use weir_protocol::hotstuff::finality::ForkBlock;
use weir_protocol::model::{EpochCommit, EpochSetup, QuorumCertificate};
use weir_protocol::protocol_state::sealing::LastSealed;
use weir_protocol::protocol_state::{EpochEvents, ProtocolState, UntrustedProtocolState};

use super::chain::{failure, position_of};
use super::{Accepted, IngestError, Rule};

/// The protocol state of the head.
pub(super) fn state_of(entry: &ProtocolStateEntry) -> Result<ProtocolState, Rule> {
    let events = |setup: &EpochSetup, commit: Option<&EpochCommit>| EpochEvents {
        setup: Arc::new(setup.clone()),
        commit: commit.cloned().map(Arc::new),
    };
    let optional = |setup: &Option<EpochSetup>, commit: &Option<EpochCommit>| {
        setup.as_ref().map(|setup| events(setup, commit.as_ref()))
    };
    Ok(ProtocolState::new(UntrustedProtocolState {
        kv: entry.kv_store.clone(),
        epoch_state: entry.epoch_entry.clone(),
        previous: optional(&entry.previous_epoch_setup, &entry.previous_epoch_commit),
        current: events(&entry.current_epoch_setup, Some(&entry.current_epoch_commit)),
        next: optional(&entry.next_epoch_setup, &entry.next_epoch_commit),
    })?)
}

/// The highest block sealed as of the snapshot's head.
///
/// The latest seal in the payloads of the segment's blocks decides, as hashes hold those; only as long
/// as no payload since the spork's root has a seal, it is that root (flow-go `flow.SealingSegment`).
///
/// # Errors
/// When the seal or the sealed block is not in the segment, or the snapshot says another.
pub fn last_sealed(snapshot: &Snapshot) -> Result<LastSealed, Rule> {
    let segment = snapshot.sealing_segment();
    let lowest = segment.blocks.first().ok_or(Rule::RootSeal)?;
    let last_sealed = LastSealed { block_id: lowest.header.id(), height: lowest.header.height };
    let named = segment.latest_seals.get(&snapshot.head().header.id()).ok_or(Rule::RootSeal)?;
    let sealing = segment.blocks.iter().rev().find(|block| !block.payload.seals.is_empty());
    let mut candidates = match sealing {
        Some(block) => block.payload.seals.iter(),
        None if last_sealed.block_id == snapshot.params().spork_id => {
            segment.first_seal.as_slice().iter()
        }
        None => return Err(Rule::RootSeal),
    };
    // flow-go's rule: the segment begins with the block that the latest seal is for.
    let found = candidates.find(|seal| seal.block_id == last_sealed.block_id);
    if found.is_some_and(|seal| seal.id() == *named) {
        Ok(last_sealed)
    } else {
        Err(Rule::RootSeal)
    }
}

/// The first block of a source is the head of the root snapshot, payload included.
///
/// # Errors
/// When it is another block.
pub fn check_root(root: &Accepted, first: entities::Block) -> Result<(), IngestError> {
    let position = position_of(&root.block.header);
    let fail = |rule| failure(&position, rule);
    let block = convert::block_from_wire(first).map_err(|source| fail(source.into()))?;
    let found = block.header.id();
    if found != root.block_id {
        return Err(fail(Rule::Root { expected: root.block_id, found }));
    }
    let (expected, found) = (
        block.header.payload_hash,
        payload_hash(&payload_roots(&block.payload, &entity_ids(&block.payload.results))),
    );
    if expected != found {
        return Err(fail(Rule::PayloadHash { expected, found }));
    }
    Ok(())
}

/// The snapshot's certificate is for the head, and valid.
pub(super) fn verify_root_qc(
    committee: &Committee,
    root: &ForkBlock,
    qc: &QuorumCertificate,
) -> Result<(), Rule> {
    if qc.block_id != root.block_id {
        return Err(Rule::Root { expected: root.block_id, found: qc.block_id });
    }
    let failure = |source| Rule::QuorumCertificate { block_id: qc.block_id, source };
    committee.verify_qc(qc).map_err(failure)
}
