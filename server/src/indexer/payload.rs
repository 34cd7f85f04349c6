//! A block's payload as the store keeps it: RLP of its lists and its timeout certificate.

use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::codec::{Entity, entity_id};
use weir_protocol::merkle;
use weir_protocol::model::{
    Block, CollectionGuarantee, ExecutionReceiptStub, ExecutionResult, Identifier, Payload, Seal,
    TimeoutCertificate,
};

use crate::store::BlockRecord;

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
    let mut decoder = Decoder::new(bytes);
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
    let mut decoder = Decoder::new(bytes);
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

/// Compares a stored payload with the roots in its block's record, for `fsck`, and returns the IDs
/// of the execution results in it.
///
/// # Errors
/// When a list does not have its root, or the bytes are not a payload.
pub fn check(record: &BlockRecord, bytes: &[u8]) -> Result<Vec<Identifier>, String> {
    let roots = &record.roots;
    let expected = [
        ("guarantees", roots.guarantees_root),
        ("seals", roots.seals_root),
        ("receipts", roots.receipts_root),
        ("results", roots.results_root),
    ];
    let mut decoder = Decoder::new(bytes);
    let lists: Result<Vec<Vec<Identifier>>, RlpError> = decoder.list(|d| {
        let ids = |d: &mut Decoder<'_>| d.list_of(|d| d.raw().map(entity_id));
        let lists = (0..expected.len()).map(|_| ids(d)).collect();
        d.raw()?;
        lists
    });
    let mut lists = lists.map_err(|error| format!("payload is malformed: {error}"))?;
    for ((list, expected), ids) in expected.into_iter().zip(&lists) {
        let found = merkle::root(ids);
        if expected != found {
            return Err(format!("{list} root: expected {expected}, found {found}"));
        }
    }
    Ok(lists.pop().unwrap_or_default())
}
