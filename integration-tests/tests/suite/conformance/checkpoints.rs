//! Checkpoints: what a client begins with is the block it named, and all of it.

use weir_conformance::Group;
use weir_protocol::evidence::{BlockProof, CheckpointProof, HopsPage};
use weir_protocol::model::Identifier;

use super::chain::Chain;
use super::forge::{EPOCH_VIEWS, Forge};
use super::group::Cases;

pub(super) fn group(forge: &Forge, other: &Chain) -> Group {
    let about = "A checkpoint is the block that the caller names, with its whole state.";
    let mut cases = Cases::new("checkpoints", about);
    let chain = &forge.chain;
    let honest = chain.server.prover.checkpoint(chain.server.root_id).unwrap();
    let root_id = chain.server.root_id;
    let task = cases.checkpoint(root_id, &honest);
    cases.honest("honest", "The root of a chain.", task);
    let foreign = other.server.prover.checkpoint(other.server.root_id).unwrap();
    let task = cases.checkpoint(root_id, &foreign);
    cases.lie(("another-block", "CheckpointId", "The root of another chain."), task);
    let task = cases.checkpoint_bytes(root_id, &HopsPage::default().to_bytes());
    cases.lie(("no-checkpoint", "Evidence", "Evidence of something else."), task);
    let changed = |change: fn(&mut BlockProof)| {
        let mut evidence = honest.clone();
        change(&mut evidence.block);
        evidence
    };
    let task = cases.checkpoint(root_id, &changed(|block| block.header.view += 1));
    cases.lie(("header-changed", "CheckpointId", "Another view."), task);
    let task = cases.checkpoint(root_id, &changed(|block| block.roots = None));
    cases.lie(("no-roots", "PayloadRoots", "The state is not opened."), task);
    let task = cases.checkpoint(
        root_id,
        &changed(|block| {
            block.roots.as_mut().unwrap().protocol_state_id = Identifier([1; 32]);
        }),
    );
    cases.lie(("another-state", "PayloadHash", "Another state."), task);
    let bare = CheckpointProof { bundle: Default::default(), ..honest };
    let task = cases.checkpoint(root_id, &bare);
    cases.lie(("no-preimages", "Preimage", "The preimages are left out."), task);
    states(&mut cases, forge);
    cases.finish()
}

/// Checkpoints that no network has: whoever names them is misled, but finds out.
fn states(cases: &mut Cases, forge: &Forge) {
    use weir_protocol::codec::Entity as _;
    let checkpoint = |state: &super::forge::State| {
        let (header, roots) = (state.header.clone(), Some(state.roots));
        let block = BlockProof { header, roots, descendants: vec![], qc: None };
        let id = state.header.id();
        (id, CheckpointProof { block, bundle: state.bundle() })
    };
    let honest = forge.state(EPOCH_VIEWS - 5);
    let (id, evidence) = checkpoint(&honest);
    let task = cases.checkpoint(id, &evidence);
    cases.honest("next-epoch-committed", "A block whose state commits the next epoch.", task);
    let mut lie = |lie, change: fn(&mut super::forge::State)| {
        let mut state = honest.clone();
        change(&mut state);
        let (id, evidence) = checkpoint(&state.commit());
        let task = cases.checkpoint(id, &evidence);
        cases.lie(lie, task);
    };
    lie(("view-outside-its-epoch", "ViewOutsideEpoch", "A view after its epoch."), |state| {
        state.header.view += EPOCH_VIEWS;
    });
    lie(("next-epoch-later", "EpochOrder", "The next epoch begins a view late."), |state| {
        state.next_mut().0.first_view += 1;
    });
    lie(("next-epoch-skips-one", "EpochOrder", "The next epoch is the one after."), |state| {
        let (setup, commit) = state.next_mut();
        (setup.counter, commit.counter) = (setup.counter + 1, commit.counter + 1);
    });
}
