//! Blocks that contradict what is final: only a committee that breaks the rules can sign them.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, BlockProof, HopsPage};
use weir_protocol::merkle;
use weir_protocol::request::Depth;
use weir_protocol::request::{Question, Selector, Topic};
use weir_verifier::TrustedState;

use super::chain::changed;
use super::forge::{Forge, State};
use super::group::Cases;

const RULE: &str = "ConflictingFinality";
/// What the client knows to be final.
const HEAD: u64 = 20;
/// The same, for a client that is about to walk.
const EARLY: u64 = 5;

pub(super) fn group(forge: &Forge) -> Group {
    let about = "Two final blocks never contradict each other without being reported.";
    let mut cases = Cases::new("conflicts", about);
    let trusted = at(forge, HEAD);
    forks(&mut cases, forge, &trusted);
    sealed(&mut cases, forge, &trusted);
    hops(&mut cases, forge);
    cases.finish()
}

fn at(forge: &Forge, height: u64) -> TrustedState {
    let block_id = forge.chain.block_id(height);
    let checkpoint = forge.chain.server.prover.checkpoint(block_id).unwrap();
    TrustedState::from_checkpoint(block_id, &checkpoint).unwrap().into_value()
}

/// An answer about the block in `proof`, asked for by its ID.
fn answer(proof: BlockProof, honest: &AnswerProof) -> (Question, AnswerProof) {
    let question = Question { block: Selector::Id(proof.header.id()), topic: Topic::Snapshot };
    let evidence = changed(honest, |answer| {
        answer.question = question.clone();
        answer.block = proof;
        (answer.seal, answer.last_sealed) = (None, None);
    });
    (question, evidence)
}

/// The block at a height with something changed that makes it another one.
fn sibling(forge: &Forge, height: u64) -> State {
    let mut state = forge.state(height);
    state.header.timestamp_ms += 1;
    state
}

fn forks(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let setup = forge.state(HEAD).setup;
    let proof = |state: &State| forge.finalized(&setup, &state.header, Some(state.roots));
    let whole = |height| {
        let question = super::chain::snapshot(height);
        forge.chain.whole(&question, Depth::Finality)
    };
    let honest = whole(HEAD + 1);
    let state = forge.state(HEAD + 1);
    let (question, evidence) = answer(proof(&state), &honest);
    let task = cases.answer(trusted, &question, &evidence);
    cases.honest("child-of-the-head", "The final block after the head.", task);
    let mut lie = |name, what, proof: BlockProof, honest: &AnswerProof| {
        let (question, evidence) = answer(proof, honest);
        let task = cases.answer(trusted, &question, &evidence);
        cases.lie((name, RULE, what), task);
    };
    let what = "Another final block of the head's height.";
    lie("another-head", what, proof(&sibling(forge, HEAD)), &whole(HEAD));
    let mut higher = sibling(forge, HEAD - 5);
    higher.header.height = HEAD + 5;
    let what = "A higher final block of an earlier view.";
    lie("higher-and-earlier", what, proof(&higher), &whole(HEAD - 5));
    let mut lower = sibling(forge, HEAD + 5);
    lower.header.height = HEAD - 5;
    let what = "A lower final block of a later view.";
    lie("lower-and-later", what, proof(&lower), &whole(HEAD + 5));
    // Below the head, on a branch whose final descendants pass the head by.
    let below = sibling(forge, HEAD - 1);
    let mut chain = vec![below.header.clone()];
    for _ in 0..3 {
        chain.push(forge.child(&setup, chain.last().unwrap()));
    }
    let qc = forge.certificate(&setup, chain.last().unwrap()).finish();
    let block = BlockProof {
        header: chain.remove(0),
        roots: Some(below.roots),
        descendants: chain,
        qc: Some(qc),
    };
    let what = "A block below the head, final by a branch that passes the head by.";
    lie("branch-that-passes-the-head", what, block, &whole(HEAD - 1));
}

/// A block that is not final by itself, sealed by a payload that is.
fn sealed(cases: &mut Cases, forge: &Forge, trusted: &TrustedState) {
    let setup = forge.state(HEAD).setup;
    let height = HEAD;
    let honest = forge.chain.whole(&super::chain::snapshot(height), Depth::Seal);
    let sealing = honest.seal.clone().unwrap();
    assert!(sealing.block.header.height > HEAD);
    let sealed = |state: &State| {
        let question = Question { block: Selector::Id(state.header.id()), topic: Topic::Snapshot };
        let mut seal = sealing.clone();
        seal.seal.block_id = state.header.id();
        let tree = merkle::Tree::new(&[seal.seal.id()]);
        (seal.index, seal.proof) = (0, tree.prove(&seal.seal.id()).unwrap());
        let mut payload = forge.state(sealing.block.header.height);
        payload.roots.seals_root = tree.root();
        let payload = payload.commit_roots();
        seal.block = forge.finalized(&setup, &payload.header, Some(payload.roots));
        let qc = forge.certificate(&setup, &state.header).finish();
        let (header, roots) = (state.header.clone(), Some(state.roots));
        let block = BlockProof { header, roots, descendants: vec![], qc: Some(qc) };
        let evidence = changed(&honest, |answer| {
            answer.question = question.clone();
            (answer.block, answer.seal, answer.last_sealed) = (block, Some(seal), None);
        });
        (question, evidence)
    };
    let (question, evidence) = sealed(&forge.state(height));
    let task = cases.answer(trusted, &question, &evidence);
    cases.honest("sealed-head", "The head, certified and sealed.", task);
    let (question, evidence) = sealed(&sibling(forge, height));
    let task = cases.answer(trusted, &question, &evidence);
    let what = "Another block of the head's height, certified and sealed.";
    cases.lie(("another-sealed-head", RULE, what), task);
}

fn hops(cases: &mut Cases, forge: &Forge) {
    use weir_protocol::evidence::Hop;
    let height = super::forge::EPOCH_VIEWS - 5;
    // Before the next epoch is committed, so that the hop is news.
    let trusted = at(forge, EARLY);
    let page = |state: &State| {
        let block = forge.finalized(&state.setup, &state.header, Some(state.roots));
        HopsPage { hops: vec![Hop { block, bundle: state.bundle() }], more: false }
    };
    let honest = forge.state(height);
    let task = cases.hops(&trusted, &page(&honest));
    cases.honest("hop", "A hop from the head's epoch.", task);
    let mut forged = honest;
    forged.header.height = EARLY;
    let task = cases.hops(&trusted, &page(&forged));
    cases.lie(("hop-of-the-heads-height", RULE, "A hop of the head's height."), task);
}
