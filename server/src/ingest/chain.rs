//! The chain as far as it still moves: recent blocks of all forks, with their states.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::codec::{Entity, entity_ids, payload_hash, payload_roots};
use weir_protocol::hotstuff::Committee;
use weir_protocol::hotstuff::finality::{Finality, ForkBlock, Forks, ForksProgress};
use weir_protocol::model::{Block, ExecutionResult, Header, Identifier, PayloadRoots, Versions};
use weir_protocol::protocol_state::sealing::{BlockPosition, LastSealed};
use weir_protocol::protocol_state::{EpochName, ProtocolState, StepError};

use super::committees::Committees;
use super::prepared::Prepared;
use super::root::{last_sealed, state_of, verify_root_qc};
use super::step::Stepped;
use super::{Accepted, IngestError, Restored, Rule, fields, headers};

/// Recent blocks of all forks.
#[derive(Clone, Debug)]
pub struct Chain {
    chain_id: String,
    pub(super) versions: Versions,
    pub(super) nodes: HashMap<Identifier, Node>,
    pub(super) forks: Forks,
    pub(super) results: HashMap<Identifier, Arc<ExecutionResult>>,
    /// Blocks below the root that may still be sealed.
    pub(super) below_root: HashMap<Identifier, BlockPosition>,
    pub(super) committees: Committees,
}

/// What is kept of a block for its children.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) position: ForkBlock,
    timestamp_ms: u64,
    ordinal: u64,
    pub(super) state: Arc<ProtocolState>,
    pub(super) last_sealed: LastSealed,
    pub(super) committee: Arc<Committee>,
}

impl Chain {
    /// Starts at the head of a root snapshot and returns the root as an accepted block.
    ///
    /// At most `blocks_max` blocks are kept; see [`Self::prune`].
    ///
    /// # Errors
    /// When the root's state does not fit together, or its certificate fails.
    pub fn from_snapshot(
        snapshot: &Snapshot,
        blocks_max: usize,
    ) -> Result<(Self, Accepted), IngestError> {
        let block = snapshot.head();
        let position = position_of(&block.header);
        let fail = |rule| failure(&position, rule);
        let state = Arc::new(state_of(snapshot.head_state()).map_err(fail)?);
        let mut chain = Self::new(&block.header, Forks::new(position, blocks_max));
        let found = state.version();
        if !chain.versions.include(found) {
            return Err(fail(StepError::UnsupportedVersion { found }.into()));
        }
        let committee = chain.committees.current(&state).map_err(fail)?;
        verify_root_qc(&committee, &position, snapshot.quorum_certificate()).map_err(fail)?;
        let last_sealed = last_sealed(snapshot).map_err(fail)?;
        let node = Node {
            position,
            timestamp_ms: block.header.timestamp_ms,
            ordinal: 0,
            state: state.clone(),
            last_sealed,
            committee,
        };
        chain.nodes.insert(position.block_id, node);
        chain.add_history(snapshot);
        let result_ids = entity_ids(&block.payload.results);
        let roots = payload_roots(&block.payload, &result_ids);
        let root = Accepted {
            block_id: position.block_id,
            roots,
            result_ids,
            block: block.clone(),
            state,
            last_sealed,
            version_beacon: None,
            progress: ForksProgress { finalized: vec![position], ..ForksProgress::default() },
            claim: None,
        };
        Ok((chain, root))
    }

    /// Says where the root is in the order of ingestion, if not first.
    pub(crate) fn begin_at(&mut self, ordinal: u64) {
        self.nodes.values_mut().for_each(|root| root.ordinal = ordinal);
    }

    fn new(root: &Header, forks: Forks) -> Self {
        Self {
            versions: Versions::of_chain(&root.chain_id),
            chain_id: root.chain_id.clone(),
            nodes: HashMap::new(),
            forks,
            results: HashMap::new(),
            below_root: HashMap::new(),
            committees: Committees::default(),
        }
    }

    /// Starts again at a final block that was stored.
    ///
    /// # Errors
    /// When its committee cannot be built.
    pub fn restore(root: Restored) -> Result<Self, IngestError> {
        let position = position_of(&root.header);
        let mut chain = Self::new(&root.header, Forks::new(position, FORK_BLOCKS_MAX));
        chain.keep_restored(root).map_err(|rule| failure(&position, rule))?;
        Ok(chain)
    }

    /// Protocol state versions that are taken for known.
    pub(crate) fn versions(&self) -> Versions {
        self.versions
    }

    /// IDs of all that the states of the blocks kept are made of.
    pub(crate) fn preimage_ids(&self) -> BTreeSet<Identifier> {
        let mut ids = BTreeSet::new();
        for state in self.nodes.values().map(|node| &node.state) {
            if !ids.insert(state.id()) {
                continue;
            }
            ids.insert(state.epoch_state_id());
            for name in [EpochName::Previous, EpochName::Current, EpochName::Next] {
                let container = state.container(name);
                ids.extend(container.into_iter().flat_map(|c| [c.setup_id, c.commit_id]));
            }
        }
        ids.remove(&Identifier::ZERO);
        ids
    }

    /// Takes these protocol state versions for known instead of all that the network may run.
    pub fn know_versions(&mut self, versions: Versions) {
        self.versions = versions;
    }

    /// Adds a stored block after [`Self::restore`]; what it changed then is not reported again.
    ///
    /// # Errors
    /// When its parent was not restored before it.
    pub fn restore_block(&mut self, block: Restored) -> Result<(), IngestError> {
        let position = position_of(&block.header);
        let fail = |rule| failure(&position, rule);
        self.forks.add(position).map_err(|source| fail(Rule::Forks(source)))?;
        self.keep_restored(block).map_err(fail)
    }

    /// Adds what the root snapshot knows of blocks that are not sealed yet; needed again after
    /// [`Self::restore`] for as long as nothing above the root is sealed.
    pub fn add_history(&mut self, snapshot: &Snapshot) {
        let segment = snapshot.sealing_segment();
        let included = segment.blocks.iter().flat_map(|block| &block.payload.results);
        let results = segment.execution_results.iter().chain(included);
        self.results.extend(results.map(|result| (result.id(), Arc::new(result.clone()))));
        let blocks = segment.blocks.iter().map(|block| {
            let Header { height, parent_id, .. } = block.header;
            (block.header.id(), BlockPosition { height, parent_id })
        });
        self.below_root.extend(blocks);
    }

    fn keep_restored(&mut self, block: Restored) -> Result<(), Rule> {
        let position = position_of(&block.header);
        let committee = self.committees.current(&block.state)?;
        let Restored { ordinal, state, last_sealed, results, header } = block;
        self.results.extend(results.into_iter().map(|result| (result.id(), Arc::new(result))));
        let timestamp_ms = header.timestamp_ms;
        let node = Node { position, timestamp_ms, ordinal, state, last_sealed, committee };
        self.nodes.insert(position.block_id, node);
        Ok(())
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// When the block breaks a rule; the chain is then as it was before.
    pub fn extend(&mut self, prepared: Prepared, ordinal: u64) -> Result<Accepted, IngestError> {
        let (block_id, header) = (prepared.block_id, &prepared.block.header);
        let (height, view) = (header.height, header.view);
        let fail = |rule| IngestError { block_id, height, view, rule: Box::new(rule) };
        self.accept(prepared, ordinal).map_err(fail)
    }

    fn accept(&mut self, prepared: Prepared, ordinal: u64) -> Result<Accepted, Rule> {
        let Prepared { block_id, block, roots, result_ids } = prepared;
        if self.nodes.contains_key(&block_id) {
            return Err(Rule::Duplicate);
        }
        let parent = self.parent_of(&block, &roots)?.clone();
        let Stepped { state, last_sealed, version_beacon } = self.step(&parent, &block)?;
        let claim = self.claim(block_id, &block, &parent)?;
        let committee = self.committees.current(&state)?;
        let Header { parent_id, view, height, timestamp_ms, .. } = block.header;
        let position = ForkBlock { block_id, parent_id, view, height };
        let progress = self.forks.add(position)?;
        let results = block.payload.results.iter().map(|result| Arc::new(result.clone()));
        self.results.extend(result_ids.iter().copied().zip(results));
        let node =
            Node { position, timestamp_ms, ordinal, state: state.clone(), last_sealed, committee };
        self.nodes.insert(block_id, node);
        Ok(Accepted {
            block_id,
            block,
            roots,
            result_ids,
            state,
            last_sealed,
            version_beacon,
            progress,
            claim: Some(claim),
        })
    }

    /// The parent of a block whose header continues it and whose payload is the header's.
    fn parent_of(&self, block: &Block, roots: &PayloadRoots) -> Result<&Node, Rule> {
        let header = &block.header;
        if header.chain_id != self.chain_id {
            let (expected, found) = (self.chain_id.clone(), header.chain_id.clone());
            return Err(Rule::ChainId { expected, found });
        }
        let parent = self.nodes.get(&header.parent_id);
        let parent = parent.ok_or(Rule::UnknownParent { found: header.parent_id })?;
        headers::check_link(header, &parent.position)?;
        headers::check_timestamp(header, parent.timestamp_ms)?;
        headers::check_last_view_tc(block)?;
        let found = payload_hash(roots);
        if found != header.payload_hash {
            return Err(Rule::PayloadHash { expected: header.payload_hash, found });
        }
        // Not before the hash: an altered payload is its sender's fault, not the block's.
        fields::check(block)?;
        Ok(parent)
    }

    /// The newest final block.
    #[must_use]
    pub fn latest_finalized(&self) -> ForkBlock {
        self.forks.latest_finalized()
    }

    /// The highest block sealed as of the newest final block.
    #[must_use]
    pub fn latest_sealed(&self) -> LastSealed {
        let finalized = self.forks.latest_finalized().block_id;
        self.nodes.get(&finalized).expect("the latest final block is kept").last_sealed
    }

    /// How final a block is, if it is still kept.
    #[must_use]
    pub fn finality(&self, block_id: &Identifier) -> Option<Finality> {
        self.forks.finality(block_id)
    }

    /// Whether a block is certified, if it is still kept.
    #[must_use]
    pub fn is_certified(&self, block_id: &Identifier) -> bool {
        self.forks.is_certified(block_id)
    }

    /// Position in the order of ingestion of a block that is still kept.
    #[must_use]
    pub fn ordinal_of(&self, block_id: &Identifier) -> Option<u64> {
        self.nodes.get(block_id).map(|node| node.ordinal)
    }

    /// Forgets blocks below the highest sealed one: nothing new can refer to them.
    pub fn prune(&mut self) {
        let height_min = self.latest_sealed().height;
        self.forks.prune(height_min);
        self.below_root.retain(|_, block| block.height > height_min);
        self.nodes.retain(|_, node| node.position.height >= height_min);
        self.prune_results();
    }

    /// Forgets the results of blocks that are sealed on the final chain.
    pub fn prune_results(&mut self) {
        let sealed_height = self.latest_sealed().height;
        let (nodes, below_root) = (&self.nodes, &self.below_root);
        self.results.retain(|_, result| {
            let height = match nodes.get(&result.block_id) {
                Some(node) => Some(node.position.height),
                None => below_root.get(&result.block_id).map(|block| block.height),
            };
            height.is_some_and(|height| height > sealed_height)
        });
    }

    /// Lowest ordinal among the blocks kept: where to resume from.
    #[must_use]
    pub fn resume_ordinal(&self) -> u64 {
        self.nodes.values().map(|node| node.ordinal).min().unwrap_or_default()
    }
}

pub(crate) fn position_of(header: &Header) -> ForkBlock {
    ForkBlock {
        block_id: header.id(),
        parent_id: header.parent_id,
        view: header.view,
        height: header.height,
    }
}

pub(crate) fn failure(position: &ForkBlock, rule: Rule) -> IngestError {
    let ForkBlock { block_id, height, view, .. } = *position;
    IngestError { block_id, height, view, rule: Box::new(rule) }
}

/// Most blocks kept: two days without a seal at two blocks a second.
pub const FORK_BLOCKS_MAX: usize = 400_000;
