//! Small forks: the rule, conflicts, late orphans, pruning.

use super::*;

/// A block named by view; one of branch `fork` differs from the others of its view.
fn block(fork: u8, view: u64, parent: ForkBlock) -> ForkBlock {
    let block_id = id(fork, view);
    ForkBlock { block_id, parent_id: parent.block_id, view, height: parent.height + 1 }
}

fn id(fork: u8, view: u64) -> Identifier {
    let mut bytes = [fork; 32];
    bytes[..8].copy_from_slice(&view.to_be_bytes());
    Identifier(bytes)
}

fn root() -> ForkBlock {
    ForkBlock { block_id: id(0, 10), parent_id: id(0, 0), view: 10, height: 5 }
}

/// Adds one block after the other above `parent`.
fn extend(
    forks: &mut Forks,
    fork: u8,
    mut parent: ForkBlock,
    views: &[u64],
) -> (ForkBlock, ForksProgress) {
    let mut all = ForksProgress::default();
    for &view in views {
        parent = block(fork, view, parent);
        let progress = forks.add(parent).unwrap();
        all.finalized.extend(progress.finalized);
        all.evidence.extend(progress.evidence);
        all.left_out.extend(progress.left_out);
    }
    (parent, all)
}

fn views(blocks: &[ForkBlock]) -> Vec<u64> {
    blocks.iter().map(|block| block.view).collect()
}

#[bounded::test]
fn a_certified_child_in_the_next_view_makes_a_block_final() {
    let check = |branch: &[u64], expected: &[u64]| {
        let (_, progress) = extend(&mut Forks::new(root(), 100), 0, root(), branch);
        assert_eq!(views(&progress.finalized), expected, "{branch:?}");
        assert_eq!(progress.evidence, []);
    };
    check(&[11, 12], &[]);
    check(&[11, 12, 13], &[11]);
    check(&[11, 13, 14, 16], &[11, 13]);
    check(&[11, 13, 15, 17], &[]);
}

#[bounded::test]
fn an_explicit_certificate_counts() {
    let mut forks = Forks::new(root(), 100);
    let (tip, _) = extend(&mut forks, 0, root(), &[11, 12]);
    assert_eq!(views(&forks.certify(tip.block_id).unwrap().finalized), [11]);
    assert_eq!(forks.certify(tip.block_id).unwrap(), ForksProgress::default());
    let block_id = id(9, 9);
    assert_eq!(forks.certify(block_id), Err(ForksError::UnknownBlock { block_id }));
}

#[bounded::test]
fn a_certified_orphan_of_an_earlier_view_is_no_evidence() {
    let mut forks = Forks::new(root(), 100);
    let (_, progress) = extend(&mut forks, 0, root(), &[13, 14, 15, 16]);
    assert_eq!(views(&progress.finalized), [13, 14]);
    // Late, below the final height, certified by its child of view 12.
    let (orphan, progress) = extend(&mut forks, 1, root(), &[11, 12]);
    assert_eq!(progress, ForksProgress::default());
    assert!(forks.is_certified(&orphan.parent_id));
    assert_eq!(forks.finality(&orphan.block_id), Some(Finality::Pending));
}

#[bounded::test]
fn an_uncertified_fork_of_a_later_view_is_no_evidence() {
    let mut forks = Forks::new(root(), 100);
    extend(&mut forks, 0, root(), &[11, 12, 13]);
    let (_, progress) = extend(&mut forks, 1, root(), &[14]);
    assert_eq!(progress, ForksProgress::default());
}

#[bounded::test]
fn two_certified_blocks_of_one_view_are_evidence() {
    let mut forks = Forks::new(root(), 100);
    let (first, _) = extend(&mut forks, 0, root(), &[11]);
    extend(&mut forks, 0, first, &[13]);
    let (second, progress) = extend(&mut forks, 1, root(), &[11]);
    assert_eq!(progress.evidence, []);
    let (_, progress) = extend(&mut forks, 1, second, &[14]);
    assert_eq!(progress.evidence, [Evidence::DoubleCertification { first, second }]);
}

#[bounded::test]
fn a_certificate_that_leaves_out_a_final_block_is_reported_in_either_order() {
    let (mut forks, mut other) = (Forks::new(root(), 100), Forks::new(root(), 100));
    let finalized = block(0, 11, root());
    let certified = block(1, 14, root());
    let expected = [LeftOut { finalized, certified }];
    extend(&mut forks, 0, root(), &[11, 12, 13]);
    // One report for the branch, however long.
    let (_, progress) = extend(&mut forks, 1, root(), &[14, 16, 18]);
    assert_eq!((progress.left_out, progress.evidence), (expected.to_vec(), Vec::new()));
    extend(&mut other, 1, root(), &[14, 16, 18]);
    let (_, progress) = extend(&mut other, 0, root(), &[11, 12, 13]);
    assert_eq!((progress.left_out, progress.evidence), (expected.to_vec(), Vec::new()));
}

#[bounded::test]
fn the_first_final_branch_stays_final() {
    let mut forks = Forks::new(root(), 100);
    let (tip, _) = extend(&mut forks, 0, root(), &[11, 12, 13]);
    let finalized = block(0, 11, root());
    let (conflicting, _) = extend(&mut forks, 1, root(), &[14]);
    let (_, progress) = extend(&mut forks, 1, conflicting, &[15, 16]);
    assert_eq!(progress.finalized, []);
    let expected = Evidence::ConflictingFinality { finalized, conflicting };
    assert!(progress.evidence.contains(&expected), "{:?}", progress.evidence);
    assert_eq!(forks.finality(&conflicting.block_id), Some(Finality::Conflicting));
    assert_eq!(forks.finalized_at(6), Some(finalized));
    assert_eq!(forks.latest_finalized(), finalized);
    let (_, progress) = extend(&mut forks, 0, tip, &[17]);
    assert_eq!(views(&progress.finalized), [12]);
}

#[bounded::test]
fn pruning_keeps_the_final_block_and_takes_late_blocks() {
    let mut forks = Forks::new(root(), 100);
    let (tip, _) = extend(&mut forks, 0, root(), &[11, 12, 13, 14]);
    forks.prune(100);
    assert_eq!((forks.height_min(), forks.len()), (7, 3));
    assert_eq!(forks.latest_finalized().view, 12);
    // Below the heights held: ignored. At the lowest of them: taken without the parent.
    let below = block(1, 11, root());
    assert_eq!(forks.add(below), Ok(ForksProgress::default()));
    assert_eq!(forks.block(&below.block_id), None);
    let orphan = block(1, 15, below);
    assert_eq!(forks.add(orphan), Ok(ForksProgress::default()));
    let (_, progress) = extend(&mut forks, 1, orphan, &[17]);
    let finalized = forks.latest_finalized();
    let expected = LeftOut { finalized, certified: orphan };
    assert_eq!(progress.left_out, [expected]);
    assert_eq!(views(&extend(&mut forks, 0, tip, &[18]).1.finalized), [13]);
}

#[bounded::test]
fn rejects_blocks_that_do_not_fit() {
    let mut forks = Forks::new(root(), 2);
    let good = block(0, 11, root());
    let parent_id = id(7, 7);
    let unknown = forks.add(ForkBlock { parent_id, ..good });
    assert_eq!(unknown, Err(ForksError::UnknownParent { parent_id }));
    let height = forks.add(ForkBlock { height: 7, ..good });
    assert_eq!(height, Err(ForksError::Height { parent: 5, found: 7 }));
    let view = forks.add(ForkBlock { view: 10, ..good });
    assert_eq!(view, Err(ForksError::View { parent: 10, found: 10 }));
    assert_eq!(forks.add(good), Ok(ForksProgress::default()));
    assert_eq!(forks.add(good), Ok(ForksProgress::default()));
    let full = forks.add(block(0, 12, good));
    assert_eq!(full, Err(ForksError::TooManyBlocks { limit: 2 }));
}
