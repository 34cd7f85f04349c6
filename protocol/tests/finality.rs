//! Finality of every block, and evidence of conflicts, against chains made by flow-go.

#![expect(clippy::unwrap_used, reason = "tests; allowed by default only inside of test functions")]

mod common_step;

use common_step::{Block, CHAINS, Chain};
use weir_protocol::hotstuff::finality::{Evidence, Finality, ForkBlock, Forks};
use weir_protocol::model::Identifier;

fn fork_block(block: &Block) -> ForkBlock {
    ForkBlock {
        block_id: block.block_id,
        parent_id: block.parent_id,
        view: block.view,
        height: block.height,
    }
}

fn walk(chain: &Chain) -> (Forks, Vec<Identifier>, Vec<Evidence>) {
    let mut forks = Forks::new(fork_block(&chain.blocks[0]), chain.blocks.len());
    let mut finalized = vec![chain.blocks[0].block_id];
    let mut evidence = Vec::new();
    for block in &chain.blocks[1..] {
        let progress = forks.add(fork_block(block)).unwrap();
        finalized.extend(progress.finalized.iter().map(|block| block.block_id));
        evidence.extend(progress.evidence);
    }
    (forks, finalized, evidence)
}

#[bounded::test]
fn every_finalized_flag_is_as_flow_go_has_it() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let (forks, finalized, evidence) = walk(&chain);
        for block in &chain.blocks {
            let finality = forks.finality(&block.block_id).unwrap();
            let satisfied = finality != Finality::Pending;
            assert_eq!(satisfied, block.expected["finalized"], "{name} {}", block.block_id);
            let listed = finalized.contains(&block.block_id);
            assert_eq!(finality == Finality::Finalized, listed, "{name} {}", block.view);
        }
        let heights: Vec<u64> =
            finalized.iter().map(|id| forks.block(id).unwrap().height).collect();
        assert!(heights.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{name}: {heights:?}");
        assert_eq!(!evidence.is_empty(), name == "conflicting-finality", "{name}: {evidence:?}");
    }
}

#[bounded::test]
fn the_conflict_names_both_branches() {
    let chain = Chain::load("conflicting-finality");
    let (forks, _, evidence) = walk(&chain);
    let at = |view: u64| fork_block(chain.blocks.iter().find(|block| block.view == view).unwrap());
    let conflicts: Vec<_> = evidence
        .iter()
        .filter_map(|evidence| match evidence {
            Evidence::ConflictingFinality { finalized, conflicting } => {
                Some((*finalized, *conflicting))
            }
            _ => None,
        })
        .collect();
    assert_eq!(conflicts.first(), Some(&(at(5008), at(5011))), "{evidence:?}");
    assert_eq!(forks.latest_finalized(), at(5008));
}

#[bounded::test]
fn pruning_behind_the_final_block_changes_no_outcome() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let (_, expected, _) = walk(&chain);
        let mut forks = Forks::new(fork_block(&chain.blocks[0]), chain.blocks.len());
        let mut finalized = vec![chain.blocks[0].block_id];
        for block in &chain.blocks[1..] {
            let progress = forks.add(fork_block(block)).unwrap();
            finalized.extend(progress.finalized.iter().map(|block| block.block_id));
            forks.prune(forks.latest_finalized().height.saturating_sub(5));
        }
        assert_eq!(finalized, expected, "{name}");
        assert!(forks.len() < 60, "{name} {}", forks.len());
    }
}
