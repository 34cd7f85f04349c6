//! A block's payload as the store keeps it: RLP of its lists and its timeout certificate.

use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::codec::{Entity, entity_ids};
use weir_protocol::model::{
    Block, CollectionGuarantee, ExecutionReceiptStub, ExecutionResult, Header, Identifier, Payload,
    Seal, ServiceEvent, TimeoutCertificate, VersionBeacon,
};

use crate::store::PayloadFacts;

/// What is read back from a stored payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPayload {
    /// Seals, in payload order.
    pub seals: Vec<Seal>,
    /// Execution results, in payload order.
    pub results: Vec<ExecutionResult>,
}

/// The payload of a block as bytes: `[guarantees, seals, receipts, results, tc or empty]`.
#[must_use]
pub fn encode(block: &Block) -> Vec<u8> {
    let payload = &block.payload;
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.list_of(&payload.guarantees, |e, guarantee| guarantee.encode(e));
        e.list_of(&payload.seals, |e, seal| seal.encode(e));
        e.list_of(&payload.receipts, |e, receipt| receipt.encode(e));
        e.list_of(&payload.results, |e, result| result.encode(e));
        match &block.last_view_tc {
            Some(tc) => tc.encode(e),
            None => e.list(|_| ()),
        }
    });
    encoder.finish()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// When the bytes are not a payload.
pub fn decode(bytes: &[u8]) -> Result<StoredPayload, RlpError> {
    let mut decoder = Decoder::own(bytes);
    let payload = decoder.list(|d| {
        d.raw()?;
        let seals = d.list_of(Seal::decode)?;
        d.raw()?;
        let results = d.list_of(ExecutionResult::decode)?;
        d.raw()?;
        Ok(StoredPayload { seals, results })
    })?;
    decoder.finish()?;
    Ok(payload)
}

/// Reads all that [`encode`] wrote, the payload's lists and the timeout certificate.
///
/// # Errors
/// When the bytes are not a payload.
pub fn decode_whole(
    bytes: &[u8],
    protocol_state_id: Identifier,
) -> Result<(Payload, Option<TimeoutCertificate>), RlpError> {
    let mut decoder = Decoder::own(bytes);
    let whole = decoder.list(|d| {
        let payload = Payload {
            guarantees: d.list_of(CollectionGuarantee::decode)?,
            seals: d.list_of(Seal::decode)?,
            receipts: d.list_of(ExecutionReceiptStub::decode)?,
            results: d.list_of(ExecutionResult::decode)?,
            protocol_state_id,
        };
        if d.next_is_empty_list() {
            d.raw()?;
            return Ok((payload, None));
        }
        Ok((payload, Some(TimeoutCertificate::decode(d)?)))
    })?;
    decoder.finish()?;
    Ok(whole)
}

/// Says what is in stored payloads, for `fsck`. The results that blocks below the root include are
/// those that the root snapshot has.
///
/// # Errors
/// When the bytes are not a payload.
pub fn checker(
    root: Option<&Snapshot>,
) -> impl Fn(&Header, &[u8]) -> Result<Option<PayloadFacts>, String> {
    let at_root = root.map(|root| (root.head().header.height, up_to_root(root)));
    move |header, bytes| {
        let mut facts = facts(bytes).map_err(|error| format!("payload is malformed: {error}"))?;
        if let Some((height, known)) = &at_root
            && header.height == *height
        {
            facts.beacons.extend(known.beacons.iter().cloned());
            facts.up_to_root.clone_from(&known.up_to_root);
        }
        Ok(Some(facts))
    }
}

fn facts(bytes: &[u8]) -> Result<PayloadFacts, RlpError> {
    let StoredPayload { seals, results } = decode(bytes)?;
    let result_ids = entity_ids(&results);
    let beacons = result_ids.iter().zip(&results);
    Ok(PayloadFacts {
        seals: seals.iter().map(|seal| (seal.block_id, seal.result_id)).collect(),
        beacons: beacons.filter_map(|(id, result)| sealable(*id, result)).collect(),
        result_ids,
        up_to_root: Vec::new(),
    })
}

/// What may be sealed above the root without being included there.
fn up_to_root(root: &Snapshot) -> PayloadFacts {
    let segment = root.sealing_segment();
    let included = segment.blocks.iter().flat_map(|block| &block.payload.results);
    let results = segment.execution_results.iter().chain(included);
    PayloadFacts {
        beacons: results.filter_map(|result| sealable(result.id(), result)).collect(),
        up_to_root: segment.blocks.iter().map(|block| block.header.id()).collect(),
        ..PayloadFacts::default()
    }
}

fn sealable(
    result_id: Identifier,
    result: &ExecutionResult,
) -> Option<(Identifier, VersionBeacon)> {
    let beacon = ServiceEvent::last_version_beacon(&result.service_events)?;
    Some((result_id, beacon.clone()))
}
