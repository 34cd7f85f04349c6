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
    if let Some((kv, entry)) = state_id.and_then(|state_id| open(state_id, sources)) {
        ids.insert(kv.epoch_state_id);
        let others = [&entry.previous_epoch, &entry.next_epoch].into_iter().flatten();
        let epochs = others.chain([&entry.current_epoch]);
        ids.extend(epochs.flat_map(|epoch| [epoch.setup_id, epoch.commit_id]));
    }
    ids
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
