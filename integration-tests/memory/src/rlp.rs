//! RLP that is made to allocate most.

use weir_protocol::codec::Entity;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::model::{Header, Identifier};
use weir_protocol::request::{Question, Selector, Topic};

/// An item: `content` in a list.
#[must_use]
pub fn list(content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| e.raw(content));
    encoder.finish()
}

/// An item: a list of the same item, again and again, `len` bytes of them.
#[must_use]
pub fn many(item: &[u8], len: usize) -> Vec<u8> {
    list(&item.repeat(len / item.len()))
}

/// A header that takes few bytes.
#[must_use]
pub fn header() -> Vec<u8> {
    let header = Header {
        chain_id: String::new(),
        parent_id: Identifier::ZERO,
        height: 0,
        payload_hash: Identifier::ZERO,
        timestamp_ms: 0,
        view: 0,
        parent_view: 0,
        parent_voter_indices: Vec::new(),
        parent_voter_sig_data: Vec::new(),
        proposer_id: Identifier::ZERO,
        last_view_tc_id: Identifier::ZERO,
    };
    header.to_rlp()
}

/// A proof about a block, with these descendants.
#[must_use]
pub fn block(descendants: &[u8]) -> Vec<u8> {
    list(&[&header()[..], &list(&[]), descendants, &list(&[])].concat())
}

/// A seal with this list of approvals.
#[must_use]
pub fn seal(approvals: &[u8]) -> Vec<u8> {
    let id = [&[0xa0][..], &[0; 32]].concat();
    list(&[&id[..], &id, &id, approvals].concat())
}

/// Evidence with these parts: hops, the answer, whole preimages, deltas.
#[must_use]
pub fn evidence(hops: &[u8], answer: &[u8], preimages: &[u8], deltas: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(b"weir-evidence");
        e.uint(2);
        e.list(|_| ());
        e.raw(hops);
        e.boolean(false);
        e.raw(answer);
        e.raw(preimages);
        e.raw(deltas);
    });
    encoder.finish()
}

/// An answer whose proof of the newest sealed block has these lists: ancestors, seals, headers.
#[must_use]
pub fn last_sealed(ancestors: &[u8], seals: &[u8], headers: &[u8]) -> Vec<u8> {
    answer(&block(&list(&[])), &list(&[ancestors, seals, headers].concat()))
}

/// An answer about this block, with this proof of the newest sealed one.
#[must_use]
pub fn answer(block: &[u8], last_sealed: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        Question { block: Selector::LatestSealed, topic: Topic::Snapshot }.encode(e);
        e.raw(block);
        e.list(|_| ());
        e.raw(last_sealed);
    });
    encoder.finish()
}
