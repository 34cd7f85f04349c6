//! Committees of epochs before the head's: their certificates count for so long, and links without end.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::Header;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::TrustedState;

use super::chain::{about, changed, snapshot};
use super::forge::{EPOCH_VIEWS, Forge};
use super::group::{Cases, NOW_MS};

const RULE: &str = "PastCommittee";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A block of the first epoch, far from its end.
const PAST: u64 = 20;

pub(super) fn group(forge: &Forge) -> Group {
    let about = "A committee of before the head's epoch proves nothing by itself.";
    let mut cases = Cases::new("past", about);
    // Its head is in the third epoch; in the second, it knows a block that is final.
    let trusted = forge.chain.walked(3);
    assert!(trusted.head().height > 2 * EPOCH_VIEWS, "{:?}", trusted.head());
    cases.trusting_for(Some(DAY_MS));
    ages(&mut cases, forge, &trusted);
    fresh_times(&mut cases, forge, &trusted);
    links(&mut cases, forge, &trusted);
    seals(&mut cases, forge, &trusted);
    descendants(&mut cases, forge);
    cases.trusting_for(None);
    cases.at(NOW_MS);
    cases.finish()
}

/// Adds a case about this question, at this time.
fn case(
    cases: &mut Cases,
    (name, rule, what): (&str, &str, &str),
    (trusted, now_ms): (&TrustedState, u64),
    evidence: &AnswerProof,
) {
    cases.at(now_ms);
    let task = cases.answer(trusted, &evidence.question, evidence);
    match rule {
        "" => cases.honest(name, what, task),
        rule => cases.lie((name, rule, what), task),
    }
}

/// When the bound on the age of a block is reached.
fn a_day_after(header: &Header) -> u64 {
    header.timestamp_ms + DAY_MS
}

fn ages(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let evidence = forge.chain.evidence(trusted, &snapshot(PAST), Depth::Finality);
    let last = a_day_after(&evidence.block.header);
    let what = "A block that a past committee certifies, a day old, which is the bound.";
    case(cases, ("a-day-old", "", what), (trusted, last), &evidence);
    let what = "The block is a millisecond older.";
    case(cases, ("a-day-and-a-millisecond-old", RULE, what), (trusted, last + 1), &evidence);
    let height = trusted.head().height - 5;
    let evidence = forge.chain.evidence(trusted, &snapshot(height), Depth::Finality);
    let late = trusted.head().timestamp_ms + DAY_MS;
    let what = "A block of the head's epoch, older than the bound for past ones.";
    case(cases, ("of-the-heads-epoch", "", what), (trusted, late), &evidence);
}

/// Whoever bought the keys of a past committee signs what it likes.
fn fresh_times(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let past = trusted.oldest_epoch().counter();
    // Nothing known to be final of a later epoch is earlier than the block that ends the second one.
    let after = *trusted.epoch(past + 1).unwrap().boundary().unwrap();
    let late = after.timestamp_ms + DAY_MS;
    let signed = |timestamp_ms| {
        let mut state = forge.state(PAST);
        state.header.timestamp_ms = timestamp_ms;
        let question = Question { block: Selector::Id(state.header.id()), topic: Topic::Snapshot };
        let honest = forge.chain.evidence(trusted, &snapshot(PAST), Depth::Finality);
        changed(&honest, |answer| {
            answer.block = forge.finalized(&state.setup, &state.header, Some(state.roots));
            (answer.seal, answer.last_sealed) = (None, None);
            answer.question = question;
        })
    };
    let honest = signed(forge.chain.header(PAST).timestamp_ms);
    let now_ms = a_day_after(&honest.block.header);
    let what = "A block that a past committee certifies, by its ID.";
    case(cases, ("signed-in-office", "", what), (trusted, now_ms), &honest);
    let what = "The committee signs another block after its epoch, and gives it the present time.";
    case(cases, ("signed-with-old-keys", RULE, what), (trusted, late + 1), &signed(late + 1));
    let what = "The committee signs another block after its epoch, and gives it a time to come.";
    let to_come = signed(late + 30_001);
    case(cases, ("signed-for-the-future", RULE, what), (trusted, late + 1), &to_come);
}

/// What leads to a block that is known to be final needs no committee.
fn links(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let past = trusted.oldest_epoch().counter();
    let known = trusted.epoch(past).unwrap().boundary().unwrap().height;
    let late = trusted.head().timestamp_ms + DAY_MS;
    let linked = |name, what, height, depth, cases: &mut Cases| {
        let question = snapshot(height);
        let evidence = forge.chain.evidence(trusted, &question, depth);
        let evidence = changed(&evidence, |answer| answer.seal = None);
        case(cases, (name, "", what), (trusted, late), &evidence);
    };
    let what = "A block from which hash links lead to one that is known to be final.";
    linked("linked", what, known - 3, Depth::Linked, cases);
    let what = "A block that is known to be final, though a past committee certifies it.";
    linked("known-to-be-final", what, known, Depth::Finality, cases);
    let question = snapshot(known + 1);
    let evidence = forge.chain.evidence(trusted, &question, Depth::Finality);
    let what = "The block after it, which nothing but a past committee certifies.";
    case(cases, ("after-the-known-one", RULE, what), (trusted, late), &evidence);
}

/// A seal is as good as what proves the block whose payload has it.
fn seals(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let question = about(PAST, Topic::Seal);
    let evidence = forge.chain.evidence(trusted, &question, Depth::Seal);
    let last = a_day_after(&evidence.block.header);
    let what = "The seal of a block that a past committee certifies.";
    case(cases, ("seal-a-day-old", "", what), (trusted, last), &evidence);
    let sealing = a_day_after(&evidence.seal.as_ref().unwrap().block.header);
    let what = "The block is older; the block with its seal is not.";
    case(cases, ("sealed-block-too-old", RULE, what), (trusted, sealing), &evidence);

    let past = trusted.oldest_epoch().counter();
    let known = trusted.epoch(past).unwrap().boundary().unwrap().height;
    let evidence = forge.chain.evidence(trusted, &about(known, Topic::Seal), Depth::Seal);
    let last = a_day_after(&evidence.seal.as_ref().unwrap().block.header);
    let what = "The seal of a block that is known to be final, in a payload that is a day old.";
    case(cases, ("seal-of-a-known-block", "", what), (trusted, last), &evidence);
    let what = "The payload with the seal is a millisecond older.";
    case(cases, ("sealing-block-too-old", RULE, what), (trusted, last + 1), &evidence);
}

/// The committee of the last descendant speaks for all.
fn descendants(cases: &mut Cases, forge: &Forge) {
    // Its head is in the second epoch.
    let trusted = forge.chain.walked(2);
    let late = trusted.head().timestamp_ms + DAY_MS;
    let evidence = |height| forge.chain.evidence(&trusted, &snapshot(height), Depth::Finality);
    let ends = |height| evidence(height).block.descendants.last().map(|header| header.view);
    let heights = PAST..2 * EPOCH_VIEWS;
    let second = forge.chain.walked(1).newest_epoch().views().0;
    let last = heights
        .rev()
        .find(|height| forge.chain.header(*height).view < second && ends(*height) >= Some(second));
    let last = last.expect("a block whose descendants are of the next epoch");
    let what = "The last block of a past epoch, final by descendants of the head's.";
    case(cases, ("certified-in-the-heads-epoch", "", what), (&trusted, late), &evidence(last));
    let what = "An earlier one, final by descendants of its own epoch.";
    case(cases, ("certified-in-its-own-epoch", RULE, what), (&trusted, late), &evidence(last - 5));
}
