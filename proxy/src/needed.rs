//! Which preimages an answer may bring: what its blocks commit to, and nothing beside it.

use std::collections::BTreeSet;

use weir_protocol::codec::rlp::Decoder;
use weir_protocol::evidence::{AnswerProof, Bundle, CheckpointProof, HopsPage, Preimages};
use weir_protocol::model::{EpochSetup, EpochStateEntry, Identifier, KvStore};
use weir_verifier::TrustedState;

use crate::fault::Fault;

/// Checks that verified evidence brings no preimage that its blocks do not commit to.
///
/// Besides the block's own state, a certificate of an epoch long past needs that epoch's events.
pub(crate) fn check_answer(
    answer: &AnswerProof,
    held: &Preimages,
    state: Option<&TrustedState>,
) -> Result<(), Fault> {
    let expanded = expand(&answer.bundle, held)?;
    let state_id = answer.block.roots.map(|roots| roots.protocol_state_id);
    let mut needed = reachable(state_id, &[&expanded, held]);
    needed.extend(answer.seal.as_ref().map(|seal| seal.seal.result_id));
    if let Some(state) = state {
        let counters = state.oldest_epoch().counter()..=state.newest_epoch().counter();
        let epochs = counters.filter_map(|counter| state.epoch(counter));
        needed.extend(epochs.flat_map(|epoch| epoch.event_ids()));
    }
    check(&expanded, &needed)
}

/// As [`check_answer`], of a checkpoint.
pub(crate) fn check_checkpoint(evidence: &CheckpointProof) -> Result<(), Fault> {
    let roots = evidence.block.roots;
    let expanded = expand(&evidence.bundle, &Preimages::default())?;
    check(&expanded, &reachable(roots.map(|roots| roots.protocol_state_id), &[&expanded]))
}

/// As [`check_answer`], of every hop of a page.
pub(crate) fn check_hops(page: &HopsPage, held: &Preimages) -> Result<(), Fault> {
    let mut known = held.clone();
    for hop in &page.hops {
        let expanded = expand(&hop.bundle, &known)?;
        let state_id = hop.block.roots.map(|roots| roots.protocol_state_id);
        check(&expanded, &reachable(state_id, &[&expanded, &known]))?;
        known.extend(expanded);
    }
    Ok(())
}

/// The epoch that the block of an answer says it is of; the caller verifies it.
pub(crate) fn epoch_of(evidence: &AnswerProof, held: &Preimages) -> Option<u64> {
    let roots = evidence.block.roots?;
    let expanded = evidence.bundle.expand(&[held]).ok()?;
    let sources = [&expanded, held];
    let (_, entry) = open(roots.protocol_state_id, &sources)?;
    let setup = find(entry.current_epoch.setup_id, &sources)?;
    Some(EpochSetup::decode(&mut Decoder::new(setup)).ok()?.counter)
}

fn expand(bundle: &Bundle, held: &Preimages) -> Result<Preimages, Fault> {
    bundle.expand(&[held]).map_err(|error| Fault::Wrong(error.to_string()))
}

fn check(found: &Preimages, needed: &BTreeSet<Identifier>) -> Result<(), Fault> {
    match found.ids().find(|id| !needed.contains(id)) {
        Some(id) => Err(Fault::needless(&format!("preimage {id}"))),
        None => Ok(()),
    }
}

/// Everything that a protocol state names.
fn reachable(state_id: Option<Identifier>, sources: &[&Preimages]) -> BTreeSet<Identifier> {
    let mut ids = BTreeSet::from_iter(state_id);
    let Some(kv) = state_id.and_then(|state_id| find(state_id, sources)) else { return ids };
    for id in named_by(kv) {
        ids.insert(id);
        ids.extend(find(id, sources).map(events_of).unwrap_or_default());
    }
    ids
}

/// What a key-value store may name. Of a version that is not known here that is each string of 32 bytes
/// in it: what it is cannot be told, and that the store says it is proved.
fn named_by(kv: &[u8]) -> Vec<Identifier> {
    if let Ok(kv) = KvStore::decode(&mut Decoder::new(kv)) {
        return vec![kv.epoch_state_id];
    }
    let strings = kv.windows(1 + Identifier::LEN).filter(|window| window[0] == STRING_OF_32);
    strings.filter_map(|window| Some(Identifier(window[1..].try_into().ok()?))).collect()
}

/// The events that an epoch state names.
fn events_of(entry: &[u8]) -> Vec<Identifier> {
    let Ok(entry) = EpochStateEntry::decode(&mut Decoder::new(entry)) else { return Vec::new() };
    let others = [&entry.previous_epoch, &entry.next_epoch].into_iter().flatten();
    let epochs = others.chain([&entry.current_epoch]);
    epochs.flat_map(|epoch| [epoch.setup_id, epoch.commit_id]).collect()
}

fn open(state_id: Identifier, sources: &[&Preimages]) -> Option<(KvStore, EpochStateEntry)> {
    let kv = KvStore::decode(&mut Decoder::new(find(state_id, sources)?)).ok()?;
    let entry = find(kv.epoch_state_id, sources)?;
    let entry = EpochStateEntry::decode(&mut Decoder::new(entry)).ok()?;
    Some((kv, entry))
}

fn find<'a>(id: Identifier, sources: &[&'a Preimages]) -> Option<&'a [u8]> {
    sources.iter().find_map(|preimages| preimages.get(&id))
}

/// How RLP begins a string of 32 bytes.
const STRING_OF_32: u8 = 0x80 + 32;

#[cfg(test)]
mod tests {

    use weir_protocol::codec::Entity as _;
    use weir_protocol::codec::rlp::Encoder;
    use weir_protocol::model::{DynamicIdentityEntry, EpochStateContainer};

    use super::*;

    fn container(byte: u8) -> EpochStateContainer {
        EpochStateContainer {
            setup_id: Identifier([byte; 32]),
            commit_id: Identifier([byte + 1; 32]),
            active_identities: vec![DynamicIdentityEntry {
                node_id: Identifier([byte + 2; 32]),
                ejected: false,
            }],
            epoch_extensions: Vec::new(),
        }
    }

    /// A store of a version to come: its form is not known, but for the first field.
    fn store(version: u64, epoch_state_id: Identifier) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.uint(version);
            e.list(|e| {
                e.bytes(b"a field of its own");
                e.list(|e| e.bytes(&epoch_state_id.0));
            });
        });
        encoder.finish()
    }

    #[bounded::test]
    fn what_a_store_names_is_needed_whatever_its_version() {
        let entry = EpochStateEntry {
            previous_epoch: Some(container(10)),
            current_epoch: container(20),
            next_epoch: None,
            epoch_fallback_triggered: false,
        };
        let mut preimages = Preimages::default();
        let entry_id = preimages.insert(entry.to_rlp());
        let store_id = preimages.insert(store(9, entry_id));
        let needed = reachable(Some(store_id), &[&preimages]);
        let events = [10, 11, 20, 21].map(|byte| Identifier([byte; 32]));
        let expected: BTreeSet<_> = [entry_id, store_id].into_iter().chain(events).collect();
        assert_eq!(needed, expected);
        check(&preimages, &needed).unwrap();
        preimages.insert(b"something else".to_vec());
        assert!(matches!(check(&preimages, &needed), Err(Fault::Wrong(_))));
    }
}
