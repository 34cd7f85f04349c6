//! Decoders of protobuf messages.

use bytes::Bytes;
use prost::Message as _;
use weir_memory::{ANSWER_BYTES_MAX, check};
use weir_proto::convert::block_from_wire;
use weir_proto::evidence_client;
use weir_proto::flow::{access, entities};
use weir_proto::frames::BLOCK_BYTES_MAX;
use weir_proto::memory::{self, MessageError};
use weir_proto::weir::v1;

/// A field with a length.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

/// The same field again and again, `len` bytes of them.
fn many(tag: u8, content: &[u8], len: usize) -> Vec<u8> {
    let one = field(tag, content);
    one.repeat(len / one.len())
}

/// Blocks, named by what they are full of.
fn hostile_blocks(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let header = |content: &[u8]| field(10, content);
    vec![
        ("guarantees", many(5, &[], len)),
        ("signatures of a guarantee", field(5, &many(2, &[], len))),
        ("seals", many(6, &[], len)),
        ("approvals", field(6, &many(7, &[], len))),
        ("signatures of approvals", field(6, &field(7, &many(1, &[], len)))),
        ("one approval a seal", many(6, &field(7, &field(1, &[])), len)),
        ("signatures", many(7, &[], len)),
        ("receipts", many(8, &[], len)),
        ("proofs of knowledge", field(8, &many(3, &[], len))),
        ("one-byte proofs of knowledge", field(8, &many(3, &[7], len))),
        ("results", many(9, &[], len)),
        ("chunks", field(9, &many(3, &[], len))),
        ("service events", field(9, &many(4, &[], len))),
        ("service events without types", field(9, &many(4, &field(1, b"x"), len))),
        ("voters", header(&many(7, &[], len))),
        ("packed views", header(&field(13, &field(2, &vec![1; len])))),
        ("unpacked views", header(&field(13, &[0x10, 1].repeat(len / 2)))),
        ("certificates again and again", header(&many(13, &field(2, &[1, 2, 3]), len))),
        ("fields that nobody knows", many(15, &[], len)),
        ("guarantees, cut short", [&many(5, &[], len)[..], &[0x2a]].concat()),
        ("seals that end after their block", [&many(6, &[0x3a, 0x7f], len)[..]].concat()),
    ]
}

#[bounded::test]
fn blocks_take_four_times_their_bytes() {
    for (name, bytes) in SIZES.into_iter().flat_map(hostile_blocks) {
        let bytes = Bytes::from(bytes);
        let block = || memory::decode::<entities::Block>(bytes.clone());
        check(&format!("block of {name}"), bytes.len(), block);
        let response = Bytes::from(field(1, &bytes));
        let answer = || memory::decode::<access::BlockResponse>(response.clone());
        check(&format!("response with {name}"), response.len(), answer);
        if let Ok(block) = block() {
            check(&format!("model of {name}"), bytes.len(), || block_from_wire(block).map(drop));
        }
    }
}

#[bounded::test]
fn the_largest_blocks_take_256_mib() {
    let len = usize::try_from(BLOCK_BYTES_MAX).unwrap() - 64;
    assert_eq!(4 * BLOCK_BYTES_MAX as usize, ANSWER_BYTES_MAX);
    for (name, bytes) in hostile_blocks(len) {
        let bytes = Bytes::from(bytes);
        let block = || memory::decode::<entities::Block>(bytes.clone());
        check(&format!("largest block of {name}"), bytes.len(), block);
    }
}

#[bounded::test]
fn a_refused_block_says_why() {
    let bytes = Bytes::from(many(5, &[], 4 << 20));
    let error = memory::decode::<entities::Block>(bytes).unwrap_err();
    assert!(matches!(error, MessageError::TooMuchMemory(_)), "{error}");
    // Emergency seals: no approvals, and as many entries as chunks.
    let seal = |chunks: usize| entities::BlockSeal {
        block_id: vec![7; 32].into(),
        result_id: vec![7; 32].into(),
        final_state: vec![7; 32].into(),
        aggregated_approval_sigs: vec![entities::AggregatedSignature::default(); chunks],
        ..Default::default()
    };
    let block = entities::Block { block_seals: vec![seal(100); 100], ..Default::default() };
    assert_eq!(memory::decode(block.encode_to_vec().into()), Ok(block));
}

#[bounded::test]
fn answers_take_four_times_their_bytes() {
    let len = 4 << 20;
    let identities = Bytes::from(many(2, &[], len));
    let typed = || memory::decode::<v1::ListIdentitiesResponse>(identities.clone());
    check("typed identities", identities.len(), typed);
    check("identities that are not read", identities.len(), || {
        evidence_client::field(identities.clone(), 3)
    });
    let info = Bytes::from(field(14, &vec![1; len]));
    check("versions", info.len(), || memory::decode::<v1::GetServerInfoResponse>(info.clone()));
}

#[bounded::test]
fn requests_take_four_times_their_bytes() {
    let len = 256 << 10;
    let held = Bytes::from(field(1, &field(2, &many(2, &[], len))));
    check("held", held.len(), || memory::decode::<v1::GetSnapshotRequest>(held.clone()));
    let roles = Bytes::from(field(2, &vec![1; len]));
    check("roles", roles.len(), || memory::decode::<v1::ListIdentitiesRequest>(roles.clone()));
    let ids = Bytes::from(many(4, &[], len));
    check("ids", ids.len(), || memory::decode::<v1::ListIdentitiesRequest>(ids.clone()));
    let items = Bytes::from(many(2, &[], len));
    check("items", items.len(), || memory::decode::<v1::GetTreeProofRequest>(items.clone()));
    let blocks = Bytes::from(many(3, &[], len));
    check("blocks", blocks.len(), || memory::decode::<v1::WatchRequest>(blocks.clone()));
}

/// Small enough to be taken, and too large.
const SIZES: [usize; 4] = [4 << 10, 16 << 10, 128 << 10, 4 << 20];
