//! Chain folders with one thing wrong: a replay names the block and the rule, and never panics.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use weir_integration_tests::random::Xorshift;
use weir_integration_tests::{chain_dir, frame, gunzip};
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_proto::frames::{BLOCK_BYTES_MAX, FrameErrorKind, Frames};
use weir_protocol::codec::{Entity, entity_ids, payload_hash, payload_roots};
use weir_protocol::hotstuff::signer_indices::SignerIndicesError;
use weir_protocol::hotstuff::{CertificateError, SignersError};
use weir_protocol::model::{Block, Identifier, Payload};
use weir_protocol::protocol_state::sealing::SealingError;
use weir_server::ingest::Rule;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::{Replay, ReplayError};
use weir_server::source::{ChainFolder, SourceError};

const CHAIN: &str = "happy-epochs";
const ZERO: Identifier = Identifier::ZERO;
const SNAPSHOT_FILE: &str = "root-protocol-state-snapshot.json";
/// A block without children, of the view after its parent's; it carries seals.
const LEAF: usize = 117;
/// A block without children whose parent's certificate has no signer to spare.
const LEAF_WITH_BARE_QUORUM: usize = 112;
/// A block without children that skips a view.
const LEAF_AFTER_TIMEOUT: usize = 99;

fn snapshot() -> Vec<u8> {
    gunzip(CHAIN, "root-protocol-state-snapshot.json.gz").unwrap()
}

fn file() -> Vec<u8> {
    gunzip(CHAIN, "blocks.pb.gz").unwrap()
}

fn blocks() -> Vec<entities::Block> {
    Frames::new(&file()[..]).map(|block| block.unwrap()).collect()
}

fn frames(blocks: &[entities::Block]) -> Vec<u8> {
    blocks.iter().flat_map(frame).collect()
}

/// Replays a folder of plain files and returns its rows.
fn replay(snapshot: &[u8], blocks: &[u8]) -> Result<Vec<u8>, ReplayError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(SNAPSHOT_FILE), snapshot).unwrap();
    fs::write(dir.path().join("blocks.pb"), blocks).unwrap();
    let replay = Replay::run(&ChainFolder::open(dir.path())?, Thoroughness::Unvouched)?;
    let mut rows = Vec::new();
    replay.write_json(&mut rows).unwrap();
    Ok(rows)
}

fn id_of(block: &entities::Block) -> Identifier {
    Identifier::try_from(&block.block_header.as_ref().unwrap().id[..]).unwrap()
}

/// The rule that `blocks` break, which must be broken by the block named.
fn broken(blocks: &[entities::Block], block_id: Identifier) -> Rule {
    let error = replay(&snapshot(), &frames(blocks)).unwrap_err();
    assert!(error.to_string().contains(&block_id.to_hex()), "{error}");
    let ReplayError::Ingest(error) = error else { panic!("{error}") };
    assert_eq!(error.block_id, block_id, "{error}");
    *error.rule
}

/// The rule broken after a block is changed and everything in its header hashed again.
fn broken_by(index: usize, change: impl FnOnce(&mut Block)) -> Rule {
    let mut blocks = blocks();
    let mut block = block_from_wire(blocks[index].clone()).unwrap();
    change(&mut block);
    let payload = &block.payload;
    let roots = payload_roots(payload, &entity_ids(&payload.results));
    block.header.payload_hash = payload_hash(&roots);
    block.header.last_view_tc_id = block.last_view_tc.as_ref().map(Entity::id).unwrap_or_default();
    blocks[index] = block_to_wire(&block);
    broken(&blocks, block.header.id())
}

fn certificate_error(index: usize, change: impl FnOnce(&mut Block)) -> CertificateError {
    match broken_by(index, change) {
        Rule::QuorumCertificate { source, .. } => source,
        rule => panic!("{rule}"),
    }
}

#[bounded::test]
fn an_unmodified_copy_passes_also_when_encoded_anew() {
    let honest = replay(&snapshot(), &file()).unwrap();
    let blocks = blocks();
    assert_eq!(honest.split(|byte| *byte == b'\n').count(), blocks.len() + 1);
    let again: Vec<_> =
        blocks.into_iter().map(|block| block_to_wire(&block_from_wire(block).unwrap())).collect();
    assert_eq!(replay(&snapshot(), &frames(&again)).unwrap(), honest);
    for leaf in [LEAF, LEAF_WITH_BARE_QUORUM, LEAF_AFTER_TIMEOUT] {
        let leaf_id = again[leaf].id.clone();
        assert!(again.iter().all(|block| block.parent_id != leaf_id), "{leaf} has a child");
    }
}

/// A field that flow-go's constructors want, and how to leave it empty.
type Emptied = (&'static str, fn(&mut Block));

#[bounded::test]
fn a_field_left_empty_is_named() {
    let fields: [Emptied; 20] = [
        ("proposer_id", |b| b.header.proposer_id = ZERO),
        ("collection_id", |b| b.payload.guarantees[0].collection_id = ZERO),
        ("reference_block_id", |b| b.payload.guarantees[0].reference_block_id = ZERO),
        ("signer_indices", |b| b.payload.guarantees[0].signer_indices.clear()),
        ("cluster_chain_id", |b| b.payload.guarantees[0].cluster_chain_id.clear()),
        ("block_seals.block_id", |b| b.payload.seals[0].block_id = ZERO),
        ("block_seals.result_id", |b| b.payload.seals[0].result_id = ZERO),
        ("final_state", |b| b.payload.seals[0].final_state = ZERO),
        ("executor_id", |b| b.payload.receipts[0].executor_id = ZERO),
        ("metaList.result_id", |b| b.payload.receipts[0].result_id = ZERO),
        ("spocks", |b| b.payload.receipts[0].spocks.clear()),
        ("executor_signature", |b| b.payload.receipts[0].executor_signature.clear()),
        ("previous_result_id", |b| b.payload.results[0].previous_result_id = ZERO),
        ("list.block_id", |b| b.payload.results[0].block_id = ZERO),
        ("list.chunks", |b| b.payload.results[0].chunks.clear()),
        ("execution_data_id", |b| b.payload.results[0].execution_data_id = ZERO),
        ("chunks.block_id", |b| b.payload.results[0].chunks[0].block_id = ZERO),
        ("start_state", |b| b.payload.results[0].chunks[0].start_state = ZERO),
        ("event_collection", |b| b.payload.results[0].chunks[0].event_collection = ZERO),
        ("end_state", |b| b.payload.results[0].chunks[0].end_state = ZERO),
    ];
    let mut blocks = blocks().into_iter().skip(1).map(|block| block_from_wire(block).unwrap());
    let whole = |block: &Block| {
        let Payload { guarantees, seals, receipts, results, .. } = &block.payload;
        !(guarantees.is_empty() || seals.is_empty() || receipts.is_empty() || results.is_empty())
    };
    let index = 1 + blocks.position(|block| whole(&block)).unwrap();
    for (name, empty) in fields {
        let rule = broken_by(index, empty);
        assert!(
            matches!(rule, Rule::EmptyField { field } if field.ends_with(name)),
            "{name}: {rule}"
        );
    }
    // An altered payload is its sender's fault, and so it is told before anything in it.
    let mut blocks = self::blocks();
    blocks[index].block_seals[0].final_state = vec![0; 32].into();
    let rule = broken(&blocks, id_of(&blocks[index]));
    assert!(matches!(rule, Rule::PayloadHash { .. }), "{rule}");
}

#[bounded::test]
fn a_block_is_later_than_its_parent() {
    let parent = |block: &Block| {
        let is_parent = |other: &Block| other.header.id() == block.header.parent_id;
        blocks().into_iter().map(|b| block_from_wire(b).unwrap()).find(is_parent).unwrap()
    };
    let rule = broken_by(LEAF, |block| {
        block.header.timestamp_ms = parent(block).header.timestamp_ms;
    });
    assert!(matches!(rule, Rule::Link { field: "timestamp", .. }), "{rule}");
    let mut blocks = blocks();
    let mut block = block_from_wire(blocks[LEAF].clone()).unwrap();
    block.header.timestamp_ms = parent(&block).header.timestamp_ms + 1;
    blocks[LEAF] = block_to_wire(&block);
    replay(&snapshot(), &frames(&blocks)).unwrap();
}

#[bounded::test]
fn a_file_cut_short_is_named_by_block_and_byte() {
    let (honest, offset) = (file(), frames(&blocks()[..5]).len());
    for (cut, expected, found) in [(offset + 2, 4, 2), (offset + 100, 0, 96)] {
        let error = replay(&snapshot(), &honest[..cut]).unwrap_err();
        let ReplayError::Source(SourceError::Blocks { source, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!((source.index, source.offset), (5, offset as u64), "{source}");
        let FrameErrorKind::Truncated { expected: e, found: f } = source.kind else {
            panic!("{source}")
        };
        assert_eq!(f, found);
        assert!(e == expected || expected == 0 && e > found);
    }
    // Cut between two blocks, the rest is a chain of its own.
    assert!(replay(&snapshot(), &honest[..offset]).is_ok());
}

#[bounded::test]
fn a_length_above_the_limit_and_garbage_are_no_frames() {
    let offset = frames(&blocks()[..5]).len();
    let mut too_large = file();
    too_large[offset..offset + 4].copy_from_slice(&(BLOCK_BYTES_MAX + 1).to_be_bytes());
    let garbage = [&file()[..offset], &[0, 0, 0, 3, 0xff, 0xff, 0xff]].concat();
    for file in [too_large, garbage] {
        let error = replay(&snapshot(), &file).unwrap_err();
        assert!(error.to_string().contains(&format!("block 5, at byte {offset}")), "{error}");
        let ReplayError::Source(SourceError::Blocks { source, .. }) = error else {
            panic!("{error}")
        };
        let kind = source.kind;
        assert!(
            matches!(kind, FrameErrorKind::TooLarge { found } if found == BLOCK_BYTES_MAX + 1)
                || matches!(kind, FrameErrorKind::Protobuf(_)),
            "{kind}"
        );
    }
}

#[bounded::test]
fn header_and_payload_are_held_to_their_hashes() {
    let mut header = blocks();
    header[60].block_header.as_mut().unwrap().view ^= 1;
    let claimed = id_of(&header[60]);
    let rule = broken(&header, claimed);
    assert!(
        matches!(rule, Rule::BlockId { expected, found } if found == claimed && expected != found)
    );

    let mut payload = blocks();
    let mut state_id = payload[60].protocol_state_id.to_vec();
    state_id[31] ^= 1;
    payload[60].protocol_state_id = state_id.into();
    assert!(matches!(broken(&payload, id_of(&payload[60])), Rule::PayloadHash { .. }));

    let mut no_header = blocks();
    no_header[60].block_header = None;
    assert!(matches!(broken(&no_header, claimed), Rule::Malformed(_)));
}

#[bounded::test]
fn blocks_out_of_place_are_named() {
    let honest = blocks();
    let mut reordered = honest.clone();
    reordered.swap(1, 2);
    assert_eq!(honest[2].parent_id, honest[1].id);
    let rule = broken(&reordered, id_of(&honest[2]));
    assert!(matches!(rule, Rule::UnknownParent { found } if found == id_of(&honest[1])), "{rule}");

    for (of, at) in [(60, 61), (0, 1), (LEAF, LEAF + 1)] {
        let mut duplicated = honest.clone();
        duplicated.insert(at, honest[of].clone());
        assert!(matches!(broken(&duplicated, id_of(&honest[of])), Rule::Duplicate));
    }

    let rule = broken(&honest[1..], id_of(&honest[0]));
    assert!(matches!(rule, Rule::Root { expected, found }
        if expected == id_of(&honest[0]) && found == id_of(&honest[1])));
}

#[bounded::test]
fn a_snapshot_of_another_chain_or_damaged_is_refused() {
    let other = gunzip("ejection", "root-protocol-state-snapshot.json.gz").unwrap();
    let error = replay(&other, &file()).unwrap_err();
    let ReplayError::Ingest(ingest) = &error else { panic!("{error}") };
    assert!(matches!(*ingest.rule, Rule::Root { .. }), "{error}");
    for snapshot in [&b""[..], b"{}", b"null", &other[..other.len() / 2]] {
        let error = replay(snapshot, &file()).unwrap_err();
        assert!(matches!(error, ReplayError::Source(SourceError::Snapshot { .. })), "{error}");
        assert!(error.to_string().contains(SNAPSHOT_FILE), "{error}");
    }
}

#[bounded::test]
fn a_flipped_digit_of_the_snapshot_changes_no_row_unnoticed() {
    let (blocks, mut random) = (file(), Xorshift::new(0x5eed_0002));
    let (snapshot, honest) = (snapshot(), replay(&snapshot(), &blocks).unwrap());
    let digits: Vec<usize> = (32..snapshot.len() - 32)
        .filter(|at| snapshot[at - 32..at + 32].iter().all(u8::is_ascii_hexdigit))
        .collect();
    let mut refused = 0;
    for _ in 0..50 {
        let at = digits[random.index(digits.len())];
        let mut changed = snapshot.clone();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        match replay(&changed, &blocks) {
            Err(_) => refused += 1,
            Ok(rows) => assert!(rows == honest, "other rows with digit {at} changed"),
        }
    }
    assert!(refused > 0);
}

#[bounded::test]
fn rules_on_the_header_hold_for_blocks_hashed_anew() {
    let field = |change: fn(&mut Block)| match broken_by(LEAF, change) {
        Rule::Link { field, .. } => field,
        rule => panic!("{rule}"),
    };
    assert_eq!(field(|block| block.header.height += 1), "height");
    assert_eq!(field(|block| block.header.parent_view -= 1), "parent view");
    assert_eq!(field(|block| block.header.view = block.header.parent_view), "view");
    let rule = broken_by(LEAF, |block| block.header.chain_id = "flow-mainnet".into());
    assert!(matches!(rule, Rule::ChainId { found, .. } if found == "flow-mainnet"));
    let rule = broken_by(LEAF, |block| block.header.parent_id.0[0] ^= 1);
    assert!(matches!(rule, Rule::UnknownParent { .. }), "{rule}");
}

#[bounded::test]
fn rules_on_the_payload_hold_for_blocks_hashed_anew() {
    let rule = broken_by(LEAF, |block| block.payload.protocol_state_id.0[0] ^= 1);
    assert!(matches!(rule, Rule::ProtocolStateId { .. }), "{rule}");
    let sealing = |change: fn(&mut Block)| match broken_by(LEAF, change) {
        Rule::Seals(error) => error,
        rule => panic!("{rule}"),
    };
    let unknown = Identifier([7; 32]);
    let error = sealing(|block| block.payload.seals[0].result_id = Identifier([7; 32]));
    assert!(matches!(error, SealingError::UnknownResult { result_id } if result_id == unknown));
    let error = sealing(|block| block.payload.seals[0].block_id = Identifier([7; 32]));
    assert!(matches!(error, SealingError::UnknownBlock { block_id } if block_id == unknown));
}

#[bounded::test]
fn timeout_certificates_are_needed_and_checked() {
    let rule = broken_by(LEAF_AFTER_TIMEOUT, |block| block.last_view_tc = None);
    assert!(matches!(rule, Rule::LastViewTc { .. }), "{rule}");
    let rule =
        broken_by(LEAF_AFTER_TIMEOUT, |block| block.last_view_tc.as_mut().unwrap().view -= 1);
    assert!(matches!(rule, Rule::LastViewTc { .. }), "{rule}");
    let rule = broken_by(LEAF_AFTER_TIMEOUT, |block| {
        block.last_view_tc.as_mut().unwrap().sig_data[20] ^= 1;
    });
    let point = |rule: &Rule| match rule {
        Rule::TimeoutCertificate { source, .. } => matches!(source, CertificateError::Point(_)),
        _ => false,
    };
    assert!(point(&rule), "{rule}");
}

#[bounded::test]
fn quorum_certificates_of_leaves_are_checked() {
    // RLP: two bytes of list, one of types, then each signature behind its length.
    const STAKING: usize = 4;
    const BEACON: usize = 54;
    let error = certificate_error(LEAF, |b| b.header.parent_voter_sig_data[STAKING + 20] ^= 1);
    assert!(matches!(error, CertificateError::Point(_)), "{error}");
    let error = certificate_error(LEAF, |b| {
        let (first, second) = b.header.parent_voter_sig_data.split_at_mut(BEACON);
        first[STAKING..STAKING + 48].swap_with_slice(&mut second[..48]);
    });
    assert_eq!(error, CertificateError::StakingSignature);
    let error = certificate_error(LEAF, |b| b.header.parent_voter_indices[5] |= 1);
    let padding = CertificateError::Signers(SignersError::Indices(SignerIndicesError::Padding));
    assert_eq!(error, padding);
    let error = certificate_error(LEAF_WITH_BARE_QUORUM, |b| {
        b.header.parent_voter_indices[4] &= 0x7f;
    });
    assert!(matches!(error, CertificateError::Signers(SignersError::Weight { .. })), "{error}");
}

#[bounded::test]
fn folders_without_blocks_or_files_are_refused() {
    let error = replay(&snapshot(), &[]).unwrap_err();
    assert!(matches!(error, ReplayError::NoBlocks), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = ChainFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, SourceError::MissingFile { name: SNAPSHOT_FILE, .. }), "{error}");
    fs::write(dir.path().join(SNAPSHOT_FILE), snapshot()).unwrap();
    let error = ChainFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, SourceError::MissingFile { name: "blocks.pb", .. }), "{error}");
    let error = ChainFolder::open(chain_dir("no such chain")).unwrap_err();
    assert!(matches!(error, SourceError::NotAFolder { .. }), "{error}");
}

#[bounded::test]
fn no_flipped_byte_panics_or_changes_a_row() {
    let (snapshot, honest_file) = (snapshot(), file());
    let honest = replay(&snapshot, &honest_file).unwrap();
    let mut random = Xorshift::new(0x5eed_0001);
    let mut refused = 0;
    for round in 0..200 {
        let (at, mask) = (random.index(honest_file.len()), 1 + random.below(255));
        let mut file = honest_file.clone();
        file[at] ^= u8::try_from(mask).unwrap();
        let run = format!("seed 0x5eed_0001, round {round}: byte {at} xor {mask:#04x}");
        match catch_unwind(AssertUnwindSafe(|| replay(&snapshot, &file))) {
            Err(_) => panic!("panicked; {run}"),
            Ok(Err(_)) => refused += 1,
            Ok(Ok(rows)) => assert!(rows == honest, "other rows; {run}"),
        }
    }
    assert!(refused > 100, "{refused} of 200 refused");
}
