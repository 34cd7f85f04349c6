//! Protocol versions that are not known: believed where a proved state schedules them.

use weir_conformance::Group;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::ViewBasedActivator;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::{Timing, TrustedState};

use super::chain::{Chain, about, snapshot};
use super::forge::{Forge, State};
use super::group::{Cases, NOW_MS};
use crate::future_version::{last_known, newer};

pub(super) fn group(future: &Chain, forge: &Forge) -> Group {
    let about = "A protocol version that is not known needs an update where a proved state schedules \
                 it, and breaks a rule where no state can; what needs no state is proved all the same.";
    let mut cases = Cases::new("upgrades", about);
    newer_version(&mut cases, future);
    other_anchors(&mut cases, future);
    unscheduled(&mut cases, forge);
    cases.finish()
}

/// A network that upgrades to a version that no client knows.
pub(super) async fn future() -> Chain {
    Chain::of(newer().await)
}

/// A client after an answer about a height.
fn told(chain: &Chain, trusted: &TrustedState, height: u64) -> TrustedState {
    let mut trusted = trusted.clone();
    let proof = chain.evidence(&trusted, &snapshot(height), Depth::Finality);
    trusted.verify(&snapshot(height), &proof, &Timing::at(NOW_MS)).unwrap();
    trusted
}

fn newer_version(cases: &mut Cases, chain: &Chain) {
    let (last, _) = last_known(&chain.server.prover);
    let told = told(chain, &chain.root, last);
    let ask = |trusted: &TrustedState, question: &Question| {
        (question.clone(), chain.evidence(trusted, question, Depth::Seal))
    };
    let mut case = |lie: Option<&str>, name: &str, trusted: &TrustedState, what: &str, question| {
        let (question, evidence) = ask(trusted, &question);
        let task = cases.answer(trusted, &question, &evidence);
        match lie {
            None => cases.honest(name, what, task),
            Some(rule) => cases.lie((name, rule, what), task),
        }
    };
    case(None, "last-known", &chain.root, "The last block before the upgrade.", snapshot(last));
    let what = "The first block after the upgrade, for a client that was told of it.";
    case(Some("ProtocolVersion"), "first-unknown", &told, what, snapshot(last + 1));
    let what = "The same for a client that was not: it has to look for the schedule.";
    case(Some("UpgradeSchedule"), "not-told-of", &chain.root, what, snapshot(last + 1));
    for (name, topic) in [("seal", Topic::Seal), ("result", Topic::ExecutionResult)] {
        let what = "What needs no protocol state, of a block after the upgrade.";
        case(None, name, &told, what, about(last + 1, topic));
    }
    let what = "What needs the state, of the same block.";
    let table = about(last + 1, Topic::Identities(Default::default()));
    case(Some("ProtocolVersion"), "identities", &told, what, table);
}

fn other_anchors(cases: &mut Cases, chain: &Chain) {
    let (last, _) = last_known(&chain.server.prover);
    let told = told(chain, &chain.root, last);
    let by_id = |height| {
        let block_id = chain.block_id(height);
        (block_id, Question { block: Selector::Id(block_id), topic: Topic::Snapshot })
    };
    let [(known_id, known), (unknown_id, unknown)] = [last, last + 1].map(by_id);
    let evidence = chain.whole(&known, Depth::Finality);
    let task = cases.known_block(known_id, &known, &evidence);
    cases.honest("vouched-known", "A block that the caller vouches for.", task);
    let evidence = chain.whole(&unknown, Depth::Finality);
    let task = cases.known_block(unknown_id, &unknown, &evidence);
    let what = "Who vouches for a block vouches for its version.";
    cases.lie(("vouched-unknown", "ProtocolVersion", what), task);
    let task = cases.committee((&chain.root, 0), &unknown, &evidence);
    let what = "Of a committee alone no schedule is known.";
    cases.lie(("committee-unknown", "UpgradeSchedule", what), task);
    let checkpoint = chain.server.prover.checkpoint(unknown_id).unwrap();
    let task = cases.checkpoint(unknown_id, &checkpoint);
    let what = "A checkpoint after the upgrade.";
    cases.lie(("checkpoint-unknown", "ProtocolVersion", what), task);
    let hops = chain.hops(&told, 1);
    assert!(hops.hops[0].block.header.height > last, "the hop is after the upgrade");
    let task = cases.hops(&told, &hops);
    let what = "A hop whose state has a version that is not known.";
    cases.lie(("hop-unknown", "ProtocolVersion", what), task);
    let task = cases.hops(&chain.root, &chain.hops(&chain.root, 1));
    let what = "The same for a client that was not told of the upgrade.";
    cases.lie(("hop-not-told-of", "UpgradeSchedule", what), task);
}

/// A version that no client knows, and no devnet has.
const UNKNOWN: u64 = 9;
/// Where it is scheduled, by a state that is proved.
const SCHEDULED_AT: u64 = 3;
/// From which view on.
const ACTIVATION: u64 = 40;

/// Heights are views here.
fn forged(forge: &Forge, height: u64, change: impl FnOnce(&mut State)) -> (Question, AnswerProof) {
    let mut state = forge.state(height);
    change(&mut state);
    let state = state.commit();
    let block = forge.finalized(&state.setup, &state.header, Some(state.roots));
    let question = snapshot(height);
    let proof = AnswerProof {
        question: question.clone(),
        block,
        seal: None,
        last_sealed: None,
        bundle: state.bundle(),
    };
    (question, proof)
}

/// What a committee of liars could sign: a version that no state schedules.
fn unscheduled(cases: &mut Cases, forge: &Forge) {
    let root = &forge.chain.root;
    let threshold = forge.state(SCHEDULED_AT).kv.finalization_safety_threshold;
    let version = |state: &mut State| state.kv.version = UNKNOWN;
    let mut told = root.clone();
    let (question, proof) = forged(forge, SCHEDULED_AT, |state| {
        let upgrade = ViewBasedActivator { data: UNKNOWN, activation_view: ACTIVATION };
        state.kv.version_upgrade = Some(upgrade);
    });
    let task = cases.answer(root, &question, &proof);
    cases.honest("schedule", "A state that schedules a version that is not known.", task);
    told.verify(&question, &proof, &Timing::at(NOW_MS)).unwrap();
    // What is read from bytes tells of a state's view no more than that it is of its epoch, whose
    // first view is 0.
    let timed = [
        ("too-soon", root, threshold),
        ("soonest", root, threshold + 1),
        ("before-its-view", &told, threshold),
        ("perhaps-rescheduled", &told, threshold + 1),
    ];
    for (name, trusted, height) in timed {
        let (question, proof) = forged(forge, height, version);
        let task = cases.answer(trusted, &question, &proof);
        let (rule, what) = if name.starts_with("too") || name.starts_with("before") {
            (
                "UnscheduledVersion",
                "Nearer to a proved state than any upgrade that it does not have.",
            )
        } else {
            (
                "UpgradeSchedule",
                "Far enough from a proved state for an upgrade that it does not have.",
            )
        };
        cases.lie((name, rule, what), task);
    }
    for (name, height) in [("in-force", ACTIVATION), ("still-in-force", ACTIVATION + 5)] {
        let (question, proof) = forged(forge, height, version);
        let task = cases.answer(&told, &question, &proof);
        cases.lie((name, "ProtocolVersion", "From the view on that a proved state says."), task);
    }
    let (question, proof) = forged(forge, ACTIVATION, |state| state.kv.version = UNKNOWN - 1);
    let task = cases.answer(&told, &question, &proof);
    let what = "Another version that is not known than the one that is scheduled.";
    cases.lie(("below-the-scheduled", "UpgradeSchedule", what), task);
}
