//! Digests of verified values, so that implementations can compare them.
//!
//! A digest is the SHA3-256 of an RLP list; `README.md` says what is in it.

use alloc::string::String;

use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::sha3_256;
use weir_protocol::model::{Identifier, IdentitySkeleton};
use weir_protocol::protocol_state::ParticipationStatus;
use weir_protocol::snapshot_tree::{FieldValue, TreeAnswer};
use weir_verifier::{Answer, AnswerValue, IdentityAnswer, SnapshotAnswer, TreeRoot, TrustedState};

/// Digest of an answer's value.
#[must_use]
pub fn answer_digest(answer: &Answer) -> String {
    let mut encoder = Encoder::new();
    encoder.list(|e| match &answer.value {
        AnswerValue::Snapshot(snapshot) => encode_snapshot(e, snapshot),
        AnswerValue::Identity(node) => node.iter().for_each(|node| encode_identity(e, node)),
        AnswerValue::Identities(nodes) => nodes.iter().for_each(|node| encode_identity(e, node)),
        AnswerValue::Epoch(epoch) => {
            e.bytes(&epoch.setup_id.0);
            encode_optional_id(e, epoch.commit.as_ref().map(|(commit_id, _)| commit_id));
            e.uint(epoch.final_view);
        }
        AnswerValue::Seal(seal) => {
            let (sealing_id, sealing_height) = seal.sealing_block;
            e.bytes(&seal.seal_id.0);
            e.bytes(&sealing_id.0);
            e.uint(sealing_height);
        }
        AnswerValue::ExecutionResult(result) => e.bytes(&result.result_id.0),
        // A kind that the suite does not know: no digest of it equals another.
        other => e.bytes(alloc::format!("{other:?}").as_bytes()),
    });
    sha3_256(&[&encoder.finish()]).to_hex()
}

/// Digest of a trusted state: its chain, its two ends, and its epochs.
#[must_use]
pub fn state_digest(trusted: &TrustedState) -> String {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(trusted.chain_id().as_bytes());
        e.bytes(&trusted.checkpoint().block_id.0);
        e.bytes(&trusted.head().block_id.0);
        e.list(|e| {
            let counters = trusted.oldest_epoch().counter()..=trusted.newest_epoch().counter();
            for epoch in counters.filter_map(|counter| trusted.epoch(counter)) {
                let (first_view, final_view) = epoch.views();
                e.list(|e| {
                    e.uint(epoch.counter());
                    e.uint(first_view);
                    e.uint(final_view);
                    encode_optional_id(e, epoch.boundary().map(|block| &block.block_id));
                });
            }
        });
    });
    sha3_256(&[&encoder.finish()]).to_hex()
}

/// Digest of a snapshot tree's root and the protocol state that it is of.
#[must_use]
pub fn tree_root_digest(root: &TreeRoot) -> String {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(&root.root.0);
        e.bytes(&root.protocol_state_id.0);
    });
    sha3_256(&[&encoder.finish()]).to_hex()
}

/// Digest of an answer about a snapshot tree: all identities in it, then its fields.
#[must_use]
pub fn tree_answer_digest(answer: &TreeAnswer) -> String {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        let lists = answer.table.iter().chain(answer.roles.values()).flatten();
        for node in lists.chain(answer.nodes.values().flatten()) {
            encode_node(e, &node.skeleton, node.status);
        }
        for (field, value) in &answer.fields {
            e.list(|e| {
                e.bytes(field.name().as_bytes());
                value.iter().for_each(|value| encode_field(e, value));
            });
        }
    });
    sha3_256(&[&encoder.finish()]).to_hex()
}

fn encode_field(encoder: &mut Encoder, value: &FieldValue) {
    match value {
        FieldValue::Number(number) => encoder.uint(*number),
        FieldValue::Flag(flag) => encoder.boolean(*flag),
        FieldValue::Phase(phase) => encoder.bytes(phase.name().as_bytes()),
        FieldValue::Id(id) => encoder.bytes(&id.0),
        // A kind that no case asks for.
        other => encoder.bytes(alloc::format!("{other:?}").as_bytes()),
    }
}

fn encode_snapshot(encoder: &mut Encoder, snapshot: &SnapshotAnswer) {
    encoder.bytes(&snapshot.protocol_state_id.0);
    encoder.uint(snapshot.epoch_counter);
    encoder.bytes(snapshot.epoch_phase.name().as_bytes());
    encoder.boolean(snapshot.epoch_fallback_triggered);
    encoder.uint(snapshot.first_view);
    encoder.uint(snapshot.final_view);
    encode_optional_id(encoder, snapshot.last_sealed_block_id.as_ref());
    encode_optional_id(encoder, snapshot.sealed_by.as_ref().map(|(block_id, _)| block_id));
}

fn encode_identity(encoder: &mut Encoder, node: &IdentityAnswer) {
    encode_node(encoder, &node.skeleton, node.status);
}

fn encode_node(encoder: &mut Encoder, skeleton: &IdentitySkeleton, status: ParticipationStatus) {
    encoder.list(|e| {
        e.bytes(&skeleton.node_id.0);
        e.bytes(skeleton.address.as_bytes());
        e.uint(skeleton.role.number().into());
        e.uint(skeleton.initial_weight);
        e.bytes(skeleton.staking_key.as_ref().map_or(&[], |key| &key[..]));
        e.bytes(skeleton.network_key.as_ref().map_or(&[], |key| &key[..]));
        e.bytes(status.flow_name().as_bytes());
    });
}

/// The ID, or the empty byte string.
fn encode_optional_id(encoder: &mut Encoder, id: Option<&Identifier>) {
    encoder.bytes(id.map_or(&[], |id| &id.0[..]));
}
