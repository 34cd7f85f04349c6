//! Clients that trust a block ID, or one committee, and nothing else.

use weir_conformance::Group;
use weir_protocol::model::Identifier;
use weir_protocol::request::Depth;
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};

use super::chain::{changed, snapshot};
use super::forge::{EPOCH_VIEWS, Forge};
use super::group::Cases;

pub(super) fn group(forge: &Forge) -> Group {
    let about = "What a block ID or a committee proves by itself, and what not.";
    let mut cases = Cases::new("anchors", about);
    known_block(&mut cases, forge);
    states(&mut cases, forge);
    committee(&mut cases, forge);
    cases.finish()
}

fn known_block(cases: &mut Cases, forge: &Forge) {
    let chain = &forge.chain;
    let (known, other) = (chain.block_id(10), chain.block_id(11));
    let question = Question { block: Selector::Id(known), topic: Topic::Snapshot };
    let evidence = chain.whole(&question, Depth::KnownBlock);
    let task = cases.known_block(known, &question, &evidence);
    cases.honest("known-block", "A block whose ID is known.", task);
    let task = cases.known_block(other, &question, &evidence);
    cases.lie(("another-known-block", "AnotherBlock", "Another block's evidence."), task);
    let task = cases.known_block(
        known,
        &question,
        &changed(&evidence, |answer| {
            answer.block.header.view += 1;
        }),
    );
    cases.lie(("known-block-changed", "AnotherBlock", "Another view."), task);
    let task = cases.known_block(
        known,
        &question,
        &changed(&evidence, |answer| {
            answer.block.roots.as_mut().unwrap().seals_root = Identifier::ZERO;
        }),
    );
    cases.lie(("known-block-other-payload", "PayloadHash", "Another payload."), task);
    let height = snapshot(10);
    let task = cases.known_block(known, &height, &chain.whole(&height, Depth::Seal));
    let what = "That a known ID is the final block of its height is not known.";
    cases.lie(("known-block-by-height", "Finality", what), task);
    let task = cases.known_block(known, &question, &chain.whole(&question, Depth::Seal));
    cases.honest("known-block-with-a-seal", "A seal that cannot be judged adds nothing.", task);
    let seal = Question { topic: Topic::Seal, ..question };
    let task = cases.known_block(known, &seal, &chain.whole(&seal, Depth::Seal));
    cases.lie(("seal-of-a-known-block", "Seal", "The sealing block is not known."), task);
}

/// States that no network has, under IDs that the caller names.
fn states(cases: &mut Cases, forge: &Forge) {
    use weir_protocol::codec::Entity as _;
    use weir_protocol::evidence::{AnswerProof, BlockProof};
    let evidence = |state: &super::forge::State, topic: &Topic| {
        let question = Question { block: Selector::Id(state.header.id()), topic: topic.clone() };
        let (header, roots) = (state.header.clone(), Some(state.roots));
        let block = BlockProof { header, roots, descendants: vec![], qc: None };
        let (asked, bundle) = (question.clone(), state.bundle());
        let answer = AnswerProof { question: asked, block, seal: None, last_sealed: None, bundle };
        (question, answer)
    };
    let all = Topic::Identities(IdentityFilter::default());
    let honest = forge.state(EPOCH_VIEWS - 5);
    let (question, page) = evidence(&honest, &all);
    let task = cases.known_block(honest.header.id(), &question, &page);
    cases.honest("known-state", "The identity table of a known block.", task);
    let mut lie = |lie, change: fn(&mut super::forge::State)| {
        let mut state = honest.clone();
        change(&mut state);
        let state = state.commit_entry();
        let (question, page) = evidence(&state, &all);
        let task = cases.known_block(state.header.id(), &question, &page);
        cases.lie(lie, task);
    };
    let what = "The epoch state leaves out a node of the setup.";
    lie(("state-without-a-node", "State", what), |state| {
        state.entry.current_epoch.active_identities.pop();
    });
    let what = "The epoch state names a node that the setup does not have.";
    lie(("state-with-a-stranger", "State", what), |state| {
        state.entry.current_epoch.active_identities[0].node_id = Identifier::ZERO;
    });
    let what = "A store of a version that nobody knows, in a block that is vouched for.";
    lie(("store-of-another-version", "ProtocolVersion", what), |state| state.kv.version = 9);
    // The same, as the committee could sign it.
    let signed = |state: &super::forge::State| {
        let (question, mut page) = evidence(state, &all);
        page.block = forge.finalized(&state.setup, &state.header, Some(state.roots));
        (question, page)
    };
    let (question, page) = signed(&honest);
    let task = cases.answer(&forge.chain.root, &question, &page);
    cases.honest("signed-state", "The identity table of a block that the committee signed.", task);
    let mut state = honest.clone();
    state.entry.current_epoch.active_identities.pop();
    let (question, page) = signed(&state.commit_entry());
    let task = cases.answer(&forge.chain.root, &question, &page);
    let what = "The committee signed a state that leaves out a node of the setup.";
    cases.lie(("signed-state-without-a-node", "State", what), task);
}

fn committee(cases: &mut Cases, forge: &Forge) {
    let chain = &forge.chain;
    let anchor = (&chain.root, 0);
    let question = snapshot(10);
    let evidence = chain.whole(&question, Depth::Seal);
    let task = cases.committee(anchor, &question, &evidence);
    cases.honest("committee", "A sealed block of the committee's epoch.", task);
    let task = cases.committee(
        anchor,
        &question,
        &changed(&evidence, |answer| {
            answer.block.qc = None;
        }),
    );
    cases.lie(("committee-without-certificate", "Certificate", "Nothing certifies it."), task);
    let task = cases.committee(
        anchor,
        &question,
        &changed(&evidence, |answer| {
            answer.block.qc.as_mut().unwrap().signer_indices[4] = 0;
        }),
    );
    cases.lie(("committee-without-quorum", "Certificate", "Nobody signed."), task);
    let linked = chain.evidence(&chain.walked(1), &question, Depth::Linked).block;
    let linked = changed(&evidence, |answer| answer.block = linked);
    let task = cases.committee(anchor, &question, &linked);
    let what = "A committee vouches for no hash links.";
    cases.lie(("committee-and-hash-links", "Certificate", what), task);
    let boundary = snapshot(EPOCH_VIEWS - 1);
    let task = cases.committee(anchor, &boundary, &chain.whole(&boundary, Depth::Finality));
    let what = "Final by descendants that the next committee signs.";
    cases.lie(("committee-at-the-boundary", "LaterEpoch", what), task);
    let height = EPOCH_VIEWS + 5;
    let (question, state) = (snapshot(height), forge.state(height));
    let evidence = chain.whole(&question, Depth::Finality);
    let later = (&chain.walked(1), 1);
    let task = cases.committee(later, &question, &evidence);
    cases.honest("committee-of-the-next-epoch", "A block of the next epoch.", task);
    let task = cases.committee(anchor, &question, &evidence);
    let what = "A block of the next epoch, for the committee of this one.";
    cases.lie(("committee-of-another-epoch", "State", what), task);
    let old = changed(&evidence, |answer| {
        let setup = forge.state(10).setup;
        answer.block = forge.finalized(&setup, &state.header, Some(state.roots));
    });
    let task = cases.committee(anchor, &question, &old);
    let what = "A block of the next epoch that the old committee signed.";
    cases.lie(("committee-signs-another-epoch", "State", what), task);
    let before = (&chain.walked(1), 0);
    let question = snapshot(EPOCH_VIEWS - 2);
    let task = cases.committee(before, &question, &chain.whole(&question, Depth::Seal));
    let what = "Final in its epoch; that the next one seals it is for others to judge.";
    cases.honest("committee-and-a-later-seal", what, task);
}
