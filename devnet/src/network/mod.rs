//! The network: makes one block after the other, and knows all that follows from them.

mod consequences;
mod leaders;
mod pace;
mod proposal;
mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::hotstuff::LeaderSelection;
use weir_protocol::hotstuff::finality::{ForkBlock, Forks};
use weir_protocol::model::{
    Block, CollectionGuarantee, ExecutionResult, Identifier, QuorumCertificate,
};
use weir_protocol::protocol_state::sealing::LastSealed;
use weir_protocol::protocol_state::{EpochName, ProtocolState};

use crate::collections::Collections;
use crate::config::{Config, ConfigError};
use crate::contract::CommandLog;
use crate::epoch::Epoch;
use crate::genesis::Genesis;
use crate::nodes::Nodes;
use crate::random::Random;
use crate::record::Record;
use crate::schedule::{Command, Trigger};
use crate::signer::Signer;
use crate::spock::Spocks;
use pace::{Pace, Slot};

pub use snapshot::SnapshotError;

/// A Flow network.
#[derive(Debug)]
pub struct Network {
    config: Config,
    root: Snapshot,
    nodes: Nodes,
    signer: Signer,
    log: CommandLog,
    pace: Pace,
    spocks: Spocks,
    collections: Collections,
    /// Collections for the next block.
    guarantees: Vec<CollectionGuarantee>,
    forks: Forks,
    records: HashMap<Identifier, Arc<Record>>,
    by_height: BTreeMap<u64, Vec<Identifier>>,
    states: HashMap<Identifier, Arc<ProtocolState>>,
    /// Which block a result is of.
    results: HashMap<Identifier, Identifier>,
    /// Signers by the ID of their epoch's setup.
    epochs: HashMap<Identifier, Arc<Epoch>>,
    /// Leaders by the ID of their epoch's setup.
    leaders: HashMap<Identifier, LeaderSelection>,
}

/// A block that the network made.
#[derive(Clone, Debug)]
pub struct Produced {
    /// Its ID.
    pub block_id: Identifier,
    /// The block.
    pub block: Arc<Block>,
    /// Its certificate; none when its view timed out.
    pub qc: Option<QuorumCertificate>,
    /// Blocks that became final by it, by ascending height.
    pub finalized: Vec<Identifier>,
}

impl Network {
    /// Starts a network at its root.
    ///
    /// # Errors
    /// When the configuration makes no network, see [`Config::validate`].
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut nodes = Nodes::new(config.seed);
        let signer = Signer::new();
        let genesis = Genesis::new(&config, &mut nodes, &signer)?;
        let Genesis { snapshot, record, block_id } = genesis;
        let position = record.position(block_id);
        let random = Random::new(config.seed, "pace", &[]);
        Ok(Self {
            root: snapshot,
            nodes,
            signer,
            log: CommandLog::new(&config.schedule),
            pace: Pace::new(
                config.chances,
                random,
                (block_id, position.view),
                config.epochs.finalization_safety_threshold,
            ),
            spocks: Spocks::new(config.seed),
            collections: Collections::default(),
            guarantees: Vec::new(),
            forks: Forks::new(position, usize::MAX),
            by_height: BTreeMap::from([(position.height, vec![block_id])]),
            results: HashMap::from([(record.execution.result_id, block_id)]),
            states: HashMap::from([(record.state.id(), Arc::clone(&record.state))]),
            records: HashMap::from([(block_id, Arc::new(record))]),
            epochs: HashMap::new(),
            leaders: HashMap::new(),
            config,
        })
    }

    /// Makes the next block.
    pub fn next_block(&mut self) -> Produced {
        let slot = self.next_slot();
        let parts = [&slot.parent_id.0[..], &slot.view.to_be_bytes()];
        let mut random = Random::new(self.config.seed, "block", &parts);
        let proposal = self.propose(&slot, &mut random);
        let block_id = proposal.block.header.id();
        let record = self.conclude(&slot, block_id, proposal, &mut random);
        self.keep(block_id, Arc::new(record), &slot)
    }

    /// Has a command carried out when it is due.
    ///
    /// # Errors
    /// When no network can carry it out, see [`Config::validate_command`].
    pub fn command(&mut self, trigger: Trigger, command: Command) -> Result<(), ConfigError> {
        self.config.validate_command(&command)?;
        self.log.push(trigger, command);
        Ok(())
    }

    /// Forgets blocks more than `keep` heights below the latest sealed block that is final.
    ///
    /// Without it, everything is kept. The root snapshot is never forgotten.
    pub fn prune(&mut self, keep: u64) {
        let height = self.latest_sealed().height.saturating_sub(keep);
        let kept = self.by_height.split_off(&height);
        if self.by_height.is_empty() {
            self.by_height = kept;
            return;
        }
        for block_id in std::mem::replace(&mut self.by_height, kept).into_values().flatten() {
            if let Some(record) = self.records.remove(&block_id) {
                self.results.remove(&record.execution.result_id);
            }
        }
        let states = self.records.values().map(|record| &record.state);
        self.states = states.map(|state| (state.id(), Arc::clone(state))).collect();
        self.forks.prune(height);
    }

    fn keep(&mut self, block_id: Identifier, record: Arc<Record>, slot: &Slot) -> Produced {
        let position = record.position(block_id);
        let progress = self.forks.add(position).expect("the block extends a kept one");
        self.pace.produced(slot, block_id);
        self.pace.finalized(self.forks.latest_finalized().view);
        self.by_height.entry(position.height).or_default().push(block_id);
        self.results.insert(record.execution.result_id, block_id);
        self.states.entry(record.state.id()).or_insert_with(|| Arc::clone(&record.state));
        let produced = Produced {
            block_id,
            block: Arc::clone(&record.block),
            qc: record.qc.clone(),
            finalized: progress.finalized.iter().map(|block| block.block_id).collect(),
        };
        self.records.insert(block_id, record);
        produced
    }

    /// The signers of one of a state's epochs.
    fn epoch(&mut self, state: &ProtocolState, name: EpochName) -> Arc<Epoch> {
        let (container, events) = state
            .container(name)
            .zip(state.events(name))
            .expect("callers name an epoch that the state has");
        if let Some(epoch) = self.epochs.get(&container.setup_id) {
            return Arc::clone(epoch);
        }
        if self.epochs.len() >= EPOCHS_MAX {
            self.epochs.clear();
            self.leaders.clear();
        }
        let epoch = Arc::new(Epoch::new(self.config.seed, &events.setup, &self.nodes));
        self.epochs.insert(container.setup_id, Arc::clone(&epoch));
        epoch
    }
}

/// What the network knows.
impl Network {
    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The snapshot the network began with.
    #[must_use]
    pub fn root(&self) -> &Snapshot {
        &self.root
    }

    /// What is kept of a block.
    #[must_use]
    pub fn record(&self, block_id: &Identifier) -> Option<&Record> {
        self.records.get(block_id).map(|record| &**record)
    }

    /// What is kept of a block, for longer than the network keeps it.
    #[must_use]
    pub fn shared_record(&self, block_id: &Identifier) -> Option<Arc<Record>> {
        self.records.get(block_id).cloned()
    }

    /// A block.
    #[must_use]
    pub fn block(&self, block_id: &Identifier) -> Option<&Arc<Block>> {
        self.record(block_id).map(|record| &record.block)
    }

    /// The protocol state after a block.
    #[must_use]
    pub fn protocol_state(&self, block_id: &Identifier) -> Option<&Arc<ProtocolState>> {
        self.record(block_id).map(|record| &record.state)
    }

    /// An execution result.
    #[must_use]
    pub fn result(&self, result_id: &Identifier) -> Option<&Arc<ExecutionResult>> {
        self.result_of(self.results.get(result_id)?)
    }

    /// The execution result of a block.
    #[must_use]
    pub fn result_of(&self, block_id: &Identifier) -> Option<&Arc<ExecutionResult>> {
        self.record(block_id).map(|record| &record.execution.result)
    }

    /// The latest final block.
    #[must_use]
    pub fn latest_finalized(&self) -> ForkBlock {
        self.forks.latest_finalized()
    }

    /// The final block at a height.
    #[must_use]
    pub fn finalized_at(&self, height: u64) -> Option<ForkBlock> {
        self.forks.finalized_at(height)
    }

    /// The highest block sealed as of the latest final one.
    #[must_use]
    pub fn latest_sealed(&self) -> LastSealed {
        let finalized = self.record(&self.latest_finalized().block_id);
        finalized.expect("the latest final block is always kept").last_sealed
    }
}

/// Epochs whose signers are kept; a fork needs three at a time.
const EPOCHS_MAX: usize = 16;
