//! Finality over all forks, from headers alone.
//!
//! A block is certified once a child of it is known, for a child carries its parent's QC. It is
//! final once a child in the very next view is itself certified, and then so are its ancestors
//! (Jolteon's two-chain rule, flow-go `consensus/hotstuff/forks`). The caller has verified every
//! header's QC. [`Forks`] never takes a final block back and never picks between conflicting
//! certificates: it reports them as [`Evidence`].

mod report;

pub use report::{Evidence, Finality, ForkBlock, ForksError, ForksProgress, LeftOut};

use crate::model::Identifier;
use alloc::collections::{BTreeMap, btree_map::Entry};
use alloc::vec::Vec;

/// All known blocks from some height up, and which of them are certified and final.
#[derive(Clone, Debug)]
pub struct Forks {
    blocks: BTreeMap<Identifier, Node>,
    by_height: BTreeMap<u64, Vec<Identifier>>,
    certified: BTreeMap<u64, Vec<Identifier>>,
    /// Final blocks that satisfy the rule themselves, by view.
    anchors: BTreeMap<u64, Identifier>,
    finalized: BTreeMap<u64, Identifier>,
    latest: ForkBlock,
    height_min: u64,
    blocks_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    block: ForkBlock,
    certified: bool,
    finality: Finality,
}

impl Forks {
    /// Begins at a final and certified block, such as the root of a trusted snapshot.
    ///
    /// At most `blocks_max` blocks are held; see [`Self::prune`].
    #[must_use]
    pub fn new(root: ForkBlock, blocks_max: usize) -> Self {
        let node = Node { block: root, certified: true, finality: Finality::Finalized };
        Self {
            blocks: BTreeMap::from([(root.block_id, node)]),
            by_height: BTreeMap::from([(root.height, Vec::from([root.block_id]))]),
            certified: BTreeMap::from([(root.view, Vec::from([root.block_id]))]),
            anchors: BTreeMap::from([(root.view, root.block_id)]),
            finalized: BTreeMap::from([(root.height, root.block_id)]),
            latest: root,
            height_min: root.height,
            blocks_max,
        }
    }

    /// Adds a block whose header and parent's QC are valid; its parent is thereby certified.
    ///
    /// A block known already, or below all heights held, changes nothing. A block at the lowest
    /// height held is taken without its parent.
    ///
    /// # Errors
    /// When the parent is missing or does not fit, or too many blocks are held. Nothing has
    /// changed then.
    pub fn add(&mut self, block: ForkBlock) -> Result<ForksProgress, ForksError> {
        let mut progress = ForksProgress::default();
        if block.height < self.height_min || self.blocks.contains_key(&block.block_id) {
            return Ok(progress);
        }
        if block.height > self.height_min {
            self.check_parent(&block)?;
        }
        if self.blocks.len() >= self.blocks_max {
            return Err(ForksError::TooManyBlocks { limit: self.blocks_max });
        }
        let node = Node { block, certified: false, finality: Finality::Pending };
        self.blocks.insert(block.block_id, node);
        self.by_height.entry(block.height).or_default().push(block.block_id);
        self.mark_certified(block.parent_id, &mut progress);
        Ok(progress)
    }

    /// Marks a block as certified by a QC that no known child carries.
    ///
    /// # Errors
    /// When the block is not held.
    pub fn certify(&mut self, block_id: Identifier) -> Result<ForksProgress, ForksError> {
        if !self.blocks.contains_key(&block_id) {
            return Err(ForksError::UnknownBlock { block_id });
        }
        let mut progress = ForksProgress::default();
        self.mark_certified(block_id, &mut progress);
        Ok(progress)
    }

    /// Forgets all blocks below a height, but never the latest final block or one above it.
    ///
    /// Conflicts with forgotten blocks are no longer found.
    pub fn prune(&mut self, height: u64) {
        self.height_min = self.height_min.max(height.min(self.latest.height));
        let kept = self.by_height.split_off(&self.height_min);
        for block_id in core::mem::replace(&mut self.by_height, kept).into_values().flatten() {
            self.blocks.remove(&block_id);
        }
        self.finalized = self.finalized.split_off(&self.height_min);
        let blocks = &self.blocks;
        self.anchors.retain(|_, block_id| blocks.contains_key(block_id));
        self.certified.retain(|_, block_ids| {
            block_ids.retain(|block_id| blocks.contains_key(block_id));
            !block_ids.is_empty()
        });
    }

    /// The latest final block.
    #[must_use]
    pub fn latest_finalized(&self) -> ForkBlock {
        self.latest
    }

    /// The final block at a height, if it is held.
    #[must_use]
    pub fn finalized_at(&self, height: u64) -> Option<ForkBlock> {
        self.block(self.finalized.get(&height)?)
    }

    /// How final a block is, if it is held.
    #[must_use]
    pub fn finality(&self, block_id: &Identifier) -> Option<Finality> {
        self.blocks.get(block_id).map(|node| node.finality)
    }

    /// Whether a block is certified; not when it is not held.
    #[must_use]
    pub fn is_certified(&self, block_id: &Identifier) -> bool {
        self.blocks.get(block_id).is_some_and(|node| node.certified)
    }

    /// A block, if it is held.
    #[must_use]
    pub fn block(&self, block_id: &Identifier) -> Option<ForkBlock> {
        self.blocks.get(block_id).map(|node| node.block)
    }

    /// The lowest height held.
    #[must_use]
    pub fn height_min(&self) -> u64 {
        self.height_min
    }

    /// Number of blocks held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Never: the latest final block is always held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    fn check_parent(&self, block: &ForkBlock) -> Result<(), ForksError> {
        let parent = self
            .block(&block.parent_id)
            .ok_or(ForksError::UnknownParent { parent_id: block.parent_id })?;
        if parent.height.checked_add(1) != Some(block.height) {
            let (parent, found) = (parent.height, block.height);
            return Err(ForksError::Height { parent, found });
        }
        if parent.view >= block.view {
            return Err(ForksError::View { parent: parent.view, found: block.view });
        }
        Ok(())
    }

    fn mark_certified(&mut self, block_id: Identifier, progress: &mut ForksProgress) {
        let Some(node) = self.blocks.get_mut(&block_id) else {
            return;
        };
        if node.certified {
            return;
        }
        node.certified = true;
        let block = node.block;
        let same_view = self.certified.entry(block.view).or_default();
        let first = same_view.first().copied();
        same_view.push(block_id);
        if let Some(first) = first.and_then(|first| self.block(&first)) {
            progress.evidence.push(Evidence::DoubleCertification { first, second: block });
        }
        self.report_leaving_out(block, progress);
        let Some(parent) = self.block(&block.parent_id) else {
            return;
        };
        if parent.view.checked_add(1) == Some(block.view) {
            self.finalize(parent, progress);
        }
    }

    /// Reports a newly certified block that leaves out a final block of an earlier view.
    fn report_leaving_out(&self, certified: ForkBlock, progress: &mut ForksProgress) {
        let anchor = self.anchors.range(..certified.view).next_back();
        if let Some(finalized) = anchor.and_then(|(_, block_id)| self.block(block_id))
            && self.leaves_out(&certified, &finalized)
        {
            progress.left_out.push(LeftOut { finalized, certified });
        }
    }

    /// Whether the step from the block's parent to the block passes over the view of `earlier`.
    ///
    /// Blocks further up the same branch do not: one report a branch is enough.
    fn leaves_out(&self, block: &ForkBlock, earlier: &ForkBlock) -> bool {
        self.block(&block.parent_id).is_none_or(|parent| parent.view < earlier.view)
    }

    /// Makes a block that satisfies the rule final, and its ancestors.
    fn finalize(&mut self, block: ForkBlock, progress: &mut ForksProgress) {
        let mut branch = Vec::new();
        let mut ancestor = Some(block);
        while let Some(next) = ancestor
            && self.finality(&next.block_id) != Some(Finality::Finalized)
        {
            branch.push(next);
            ancestor = self.block(&next.parent_id);
        }
        branch.reverse();
        let conflict = branch.first().and_then(|first| self.finalized_at(first.height));
        let finality = match conflict {
            Some(finalized) => {
                let evidence = Evidence::ConflictingFinality { finalized, conflicting: block };
                progress.evidence.push(evidence);
                Finality::Conflicting
            }
            None => Finality::Finalized,
        };
        for member in &branch {
            if let Some(node) = self.blocks.get_mut(&member.block_id) {
                node.finality = finality;
            }
        }
        if finality == Finality::Conflicting {
            return;
        }
        for member in branch {
            self.finalized.insert(member.height, member.block_id);
            self.latest = member;
            progress.finalized.push(member);
        }
        self.add_anchor(block, progress);
    }

    /// Reports blocks certified earlier that leave out a block now final.
    fn add_anchor(&mut self, finalized: ForkBlock, progress: &mut ForksProgress) {
        let Entry::Vacant(anchor) = self.anchors.entry(finalized.view) else {
            return;
        };
        anchor.insert(finalized.block_id);
        let after = finalized.view.saturating_add(1)..;
        for block_id in self.certified.range(after).flat_map(|(_, block_ids)| block_ids) {
            if let Some(certified) = self.block(block_id)
                && self.leaves_out(&certified, &finalized)
            {
                progress.left_out.push(LeftOut { finalized, certified });
            }
        }
    }
}

#[cfg(test)]
mod tests;
