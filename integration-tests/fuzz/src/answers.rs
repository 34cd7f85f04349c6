//! Accepted means equal to the known answer.
//!
//! An input chooses a client and honest evidence for it, and edits the evidence; or it is evidence
//! itself. Whatever the client accepts must say what the honest evidence says, or what flow-go
//! computed for another block of the chain where the question leaves the block open.

use serde_json::Value;
use weir_protocol::request::{Question, Selector};
use weir_verifier::{Answer, AnswerValue, SnapshotAnswer, Trust, TrustedState};

use crate::input::Input;
use crate::known::{self, HonestCase, KNOWN, Known, Proved};

/// Answers: known block, committee, trusted state, saved file.
pub fn answer(bytes: &[u8]) {
    accept(&KNOWN, bytes, |case| !case.client.gives_states());
}

/// Hops and checkpoints: the state after them.
pub fn hops(bytes: &[u8]) {
    accept(&KNOWN, bytes, |case| case.client.gives_states());
}

/// Names of the honest cases in the order that inputs choose from.
pub(crate) fn names(of_state: bool) -> Vec<String> {
    let cases = KNOWN.cases.iter().filter(|case| case.client.gives_states() == of_state);
    cases.map(|case| case.name.clone()).collect()
}

fn accept(known: &Known, bytes: &[u8], wanted: impl Fn(&HonestCase) -> bool) {
    let mut input = Input::new(bytes);
    let cases: Vec<_> = known.cases.iter().filter(|case| wanted(case)).collect();
    let case = *input.choose(&cases);
    let mode = input.byte();
    let evidence = if mode & RAW != 0 {
        input.rest().to_vec()
    } else {
        let mut item = case.tree.clone();
        item.edit(&mut input, &known.donors());
        item.sort_preimages();
        if mode & ANOTHER_QUESTION == 0 {
            item.ask_as(&case.tree);
        }
        item.to_bytes()
    };
    if let Ok(found) = case.client.verify(&evidence, &case.timing) {
        check(known, case, &found);
    }
}

fn check(known: &Known, case: &HonestCase, found: &Proved) {
    match (&case.proves, found) {
        (Proved::State(honest), Proved::State(found)) => check_state(known, honest, found),
        (Proved::Answer(asked, honest), Proved::Answer(question, found)) => {
            check_block(known, question, found);
            if found.block_id == honest.block_id && question.topic == asked.topic {
                check_value(&case.name, honest, found);
            } else {
                let free =
                    matches!(question.block, Selector::LatestFinalized | Selector::LatestSealed);
                assert!(free || question != asked, "{}: another block", case.name);
            }
        }
        _ => panic!("{}: another kind of answer", case.name),
    }
}

/// The state's epochs are those of the chain, its head and boundaries blocks of it.
fn check_state(known: &Known, honest: &TrustedState, found: &TrustedState) {
    assert_eq!(found.checkpoint(), honest.checkpoint(), "another checkpoint");
    assert_eq!(found.chain_id(), honest.chain_id(), "another chain");
    let chain = known.chain_of(honest);
    if chain.is_some() {
        let counters = found.oldest_epoch().counter()..=found.newest_epoch().counter();
        let boundaries = counters.filter_map(|counter| found.epoch(counter)?.boundary());
        for block in boundaries.chain([found.head()]) {
            let (of, row) = known.blocks.get(&block.block_id).expect("a block of a chain");
            assert_eq!(*of, chain, "of another chain: {block:?}");
            assert_eq!(row["finalized"], true, "not final: {block:?}");
            assert_eq!(row["height"], block.height, "another height: {block:?}");
        }
    }
    // Writing a state takes some milliseconds.
    let bytes = found.to_bytes();
    for (counter, facts) in known::epoch_facts(found, &bytes) {
        let known = known.epochs.get(&(chain, counter));
        assert!(known.is_none_or(|known| known.contains(&facts)), "epoch {counter}: {facts:?}");
    }
    if found.head() == honest.head() && same_boundaries(found, honest) {
        assert_eq!(bytes, honest.to_bytes(), "another state at the same end");
    } else {
        TrustedState::from_bytes(&bytes).expect("a state that was reached is kept");
    }
}

fn same_boundaries(one: &TrustedState, other: &TrustedState) -> bool {
    let counters = one.oldest_epoch().counter()..=one.newest_epoch().counter();
    one.oldest_epoch().counter() == other.oldest_epoch().counter()
        && counters.into_iter().all(|counter| one.epoch(counter) == other.epoch(counter))
}

/// The block is the one asked for, and of the known chain where that is known.
fn check_block(known: &Known, question: &Question, found: &Answer) {
    match question.block {
        Selector::Id(id) => assert_eq!(found.block_id, id, "another block"),
        Selector::Height(height) => {
            assert_eq!(found.height, height, "another height");
            assert!(found.trust != Trust::Certified, "a height without finality");
        }
        Selector::LatestSealed => assert_eq!(found.trust, Trust::Sealed, "not sealed"),
        Selector::LatestFinalized => assert!(found.trust >= Trust::Finalized, "not final"),
    }
    let Some((_, row)) = known.blocks.get(&found.block_id) else { return };
    assert_eq!(row["height"], found.height, "another height");
    assert_eq!(row["view"], found.view, "another view");
    if found.trust >= Trust::Finalized {
        assert_eq!(row["finalized"], true, "not final: {}", found.block_id);
    }
    if let AnswerValue::Snapshot(snapshot) = &found.value {
        check_row(row, snapshot);
    }
}

/// What flow-go says of the block.
fn check_row(row: &Value, snapshot: &SnapshotAnswer) {
    assert_eq!(row["protocol_state_id"], snapshot.protocol_state_id.to_hex());
    assert_eq!(row["epoch_counter"], snapshot.epoch_counter);
    assert_eq!(row["epoch_phase"], snapshot.epoch_phase.name());
    assert_eq!(row["epoch_fallback_triggered"], snapshot.epoch_fallback_triggered);
    assert_eq!(row["protocol_state_version"], snapshot.kv_store.version);
    if let Some(last_sealed) = &snapshot.last_sealed_block_id {
        assert_eq!(row["last_sealed_block_id"], last_sealed.to_hex());
    }
}

/// Two answers about one block: equal, but for what one of them leaves unproved.
fn check_value(name: &str, honest: &Answer, found: &Answer) {
    let place = |answer: &Answer| (answer.height, answer.view, answer.timestamp_ms);
    assert_eq!(place(found), place(honest), "{name}: another place");
    assert_eq!(found.chain_id, honest.chain_id, "{name}: another chain");
    let (AnswerValue::Snapshot(honest), AnswerValue::Snapshot(found)) =
        (&honest.value, &found.value)
    else {
        return assert_eq!(found.value, honest.value, "{name}: another value");
    };
    let mut found = found.clone();
    if found.last_sealed_block_id.is_none() || honest.last_sealed_block_id.is_none() {
        found.last_sealed_block_id = honest.last_sealed_block_id;
    }
    if found.sealed_by.is_none() || honest.sealed_by.is_none() {
        found.sealed_by = honest.sealed_by;
    }
    assert_eq!(&found, honest, "{name}: another snapshot");
}

/// Bits of an input's second byte.
const RAW: u8 = 1;
const ANOTHER_QUESTION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// The first case of a kind, its honest outcome altered.
    fn falsified(of_state: bool, alter: impl Fn(&mut Proved) -> bool) {
        let mut cases = KNOWN.cases.iter().filter(|case| case.client.gives_states() == of_state);
        let wrong = cases.find_map(|case| {
            let mut proves = case.proves.clone();
            alter(&mut proves).then_some((case, proves))
        });
        let (case, proves) = wrong.expect("a case to falsify");
        let honest = case.client.verify(&case.tree.to_bytes(), &case.timing);
        let wrong = HonestCase {
            name: case.name.clone(),
            client: known::Client::Checkpoint(weir_protocol::model::Identifier::ZERO),
            timing: case.timing,
            tree: case.tree.clone(),
            proves,
        };
        check(&KNOWN, &wrong, &honest.expect("an honest case"));
    }

    #[bounded::test]
    #[should_panic(expected = "another snapshot")]
    fn a_wrong_known_snapshot_is_noticed() {
        falsified(false, |proves| match proves {
            Proved::Answer(_, answer) => match &mut answer.value {
                AnswerValue::Snapshot(snapshot) => {
                    snapshot.final_view += 1;
                    true
                }
                _ => false,
            },
            Proved::State(_) => false,
        });
    }

    #[bounded::test]
    #[should_panic(expected = "another value")]
    fn a_wrong_known_identity_table_is_noticed() {
        falsified(false, |proves| match proves {
            Proved::Answer(_, answer) => match &mut answer.value {
                AnswerValue::Identities(nodes) => nodes.pop().is_some(),
                _ => false,
            },
            Proved::State(_) => false,
        });
    }

    #[bounded::test]
    #[should_panic(expected = "another block")]
    fn a_wrong_known_block_is_noticed() {
        falsified(false, |proves| match proves {
            Proved::Answer(Question { block: Selector::Height(_), .. }, answer) => {
                answer.block_id = weir_protocol::model::Identifier::ZERO;
                true
            }
            _ => false,
        });
    }

    #[bounded::test]
    #[should_panic(expected = "another checkpoint")]
    fn a_wrong_known_state_is_noticed() {
        let mut states = KNOWN.cases.iter().filter_map(|case| match &case.proves {
            Proved::State(state) => Some(state),
            Proved::Answer(..) => None,
        });
        let first = states.next().expect("a state");
        let other = states.find(|state| state.checkpoint() != first.checkpoint());
        check_state(&KNOWN, other.expect("another chain"), first);
    }

    #[bounded::test]
    fn edits_of_nothing_are_accepted() {
        for case in &KNOWN.cases {
            let mut tree = case.tree.clone();
            tree.sort_preimages();
            assert_eq!(tree, case.tree, "{}: honest evidence is in order", case.name);
        }
    }
}
