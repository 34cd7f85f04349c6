//! The contract side of epochs: which service events the execution of a block emits.
//!
//! The contracts keep their own view of epochs and nodes, apart from the protocol's, and never
//! see how the protocol took their events; only the operators who recover the network look at
//! the protocol state. A state of the contracts belongs to a block and is never changed.

mod commands;
mod setup;

pub use commands::CommandLog;
pub(crate) use setup::{SetupParts, setup_of};

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_protocol::model::{
    EpochPhase, EpochRecover, EpochSetup, Identifier, IdentitySkeleton, ServiceEvent,
};
use weir_protocol::protocol_state::ProtocolState;

use crate::config::Config;
use crate::epoch::Epoch;
use crate::nodes::{Node, Nodes};

/// The state of the contracts after the execution of a block.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Nodes of the next setup, in canonical order.
    approved: Arc<Vec<Arc<Node>>>,
    /// Nodes that were ever ejected.
    ejected: Arc<BTreeSet<Identifier>>,
    /// Number of the next node that joins.
    next_number: u64,
    /// Sequence number of the next version beacon.
    next_beacon: u64,
    current: Arc<EpochSetup>,
    stage: Stage,
    flaw: Option<Flaw>,
    recovery: Recovery,
    commands_seen: usize,
    commands_waiting: Arc<Vec<usize>>,
}

/// A block that is executed.
#[derive(Clone, Copy, Debug)]
pub struct ExecutedBlock<'a> {
    /// Its ID.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// The protocol state after it, which operators look at.
    pub state: &'a ProtocolState,
    /// Height of the highest block sealed as of it.
    pub sealed_height: u64,
}

/// What an execution may draw on.
#[derive(Debug)]
pub struct Environment<'a> {
    /// The network's configuration.
    pub config: &'a Config,
    /// Commands given so far.
    pub log: &'a CommandLog,
    /// All nodes.
    pub nodes: &'a mut Nodes,
}

/// How far the contracts are in their current epoch.
#[derive(Clone, Debug)]
enum Stage {
    Staking,
    /// The setup was emitted by the execution of the block at this height.
    Setup {
        setup: Arc<EpochSetup>,
        height: u64,
    },
    Committed(Arc<EpochSetup>),
    /// Something went wrong; only a recovery goes on from here.
    Halted,
}

/// What goes wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    InvalidSetup,
    /// An invalid setup was emitted.
    Rejected,
    MissedCommit,
    RepeatedCommit,
}

/// Whether the operators want to recover, and how far they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    NotWanted,
    Wanted,
    /// Emitted by the execution of the block at this height.
    Emitted(u64),
}

impl Contract {
    /// The contracts at the root of the network.
    #[must_use]
    pub fn new(approved: Vec<Arc<Node>>, root: Arc<EpochSetup>) -> Self {
        Self {
            next_number: approved.len() as u64,
            next_beacon: 0,
            approved: Arc::new(approved),
            ejected: Arc::default(),
            current: root,
            stage: Stage::Staking,
            flaw: None,
            recovery: Recovery::NotWanted,
            commands_seen: 0,
            commands_waiting: Arc::default(),
        }
    }

    /// Executes a block: the contracts after it, and the service events it emits.
    #[must_use]
    pub fn execute(
        &self,
        block: &ExecutedBlock<'_>,
        environment: &mut Environment<'_>,
    ) -> (Self, Vec<ServiceEvent>) {
        let mut after = self.clone();
        let mut events = Vec::new();
        after.carry_out_due(block, environment, &mut events);
        after.recover(block, environment, &mut events);
        after.turn(block, environment, &mut events);
        (after, events)
    }

    /// Goes on to the next stage when its view has come.
    fn turn(
        &mut self,
        block: &ExecutedBlock<'_>,
        environment: &mut Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        let view = block.view;
        if let Stage::Committed(next) = &self.stage
            && view >= next.first_view
        {
            self.current = Arc::clone(next);
            self.stage = Stage::Staking;
        }
        match &self.stage {
            Stage::Staking if view > staking_final_view(&self.current, environment.config) => {
                self.set_up(block, environment, events);
            }
            // Nobody votes for clusters and generates keys before the protocol has the setup. And
            // flow-go halts where one block seals both events: it knows no way from the staking phase
            // to the committed one.
            Stage::Setup { setup, height }
                if view > self.current.dkg_phase3_final_view && block.sealed_height >= *height =>
            {
                let setup = Arc::clone(setup);
                self.commit(setup, environment, events);
            }
            Stage::Committed(setup) if self.flaw == Some(Flaw::RepeatedCommit) => {
                self.flaw = None;
                let commit = Epoch::commit(environment.config.seed, setup, environment.nodes);
                events.push(ServiceEvent::EpochCommit(commit.into()));
            }
            Stage::Staking | Stage::Setup { .. } | Stage::Committed(_) | Stage::Halted => {}
        }
    }

    fn set_up(
        &mut self,
        block: &ExecutedBlock<'_>,
        environment: &Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        let next = (self.current.counter + 1, self.current.final_view + 1);
        let mut setup = self.next_setup(next, block, environment.config);
        if self.flaw == Some(Flaw::InvalidSetup) {
            self.flaw = Some(Flaw::Rejected);
            setup.first_view += 1;
        }
        events.push(ServiceEvent::EpochSetup(setup.clone().into()));
        self.stage = Stage::Setup { setup: Arc::new(setup), height: block.height };
    }

    fn commit(
        &mut self,
        setup: Arc<EpochSetup>,
        environment: &Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        let flaw = self.flaw.take_if(|f| matches!(f, Flaw::Rejected | Flaw::MissedCommit));
        if flaw == Some(Flaw::MissedCommit) {
            self.stage = Stage::Halted;
            return;
        }
        let commit = Epoch::commit(environment.config.seed, &setup, environment.nodes);
        events.push(ServiceEvent::EpochCommit(commit.into()));
        self.stage = match flaw {
            Some(_) => Stage::Halted,
            None => Stage::Committed(setup),
        };
    }

    /// Emits a recovery when the operators want one and the protocol could take it.
    ///
    /// A recovery that comes too late is ignored by the protocol; the operators send another one
    /// once they see that.
    fn recover(
        &mut self,
        block: &ExecutedBlock<'_>,
        environment: &Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        let in_fallback = block.state.phase() == EpochPhase::Fallback;
        match self.recovery {
            Recovery::NotWanted => return,
            Recovery::Wanted => {}
            // Whether it succeeded shows once the block that emitted it is sealed.
            Recovery::Emitted(height) if block.sealed_height < height => return,
            Recovery::Emitted(_) if !in_fallback => {
                self.recovery = Recovery::NotWanted;
                return;
            }
            Recovery::Emitted(_) => {}
        }
        let deadline = block.state.final_view();
        let threshold = block.state.kv().finalization_safety_threshold;
        if !in_fallback || block.view + threshold + RECOVERY_MARGIN_VIEWS >= deadline {
            return;
        }
        let next = (block.state.epoch_counter() + 1, deadline + 1);
        let setup = self.next_setup(next, block, environment.config);
        let commit = Epoch::commit(environment.config.seed, &setup, environment.nodes);
        self.current = Arc::clone(block.state.current_setup());
        self.stage = Stage::Committed(Arc::new(setup.clone()));
        self.flaw = None;
        self.recovery = Recovery::Emitted(block.height);
        events.push(ServiceEvent::EpochRecover(EpochRecover { setup, commit }.into()));
    }

    fn skeletons(&self) -> Vec<IdentitySkeleton> {
        self.approved.iter().map(|node| node.skeleton.clone()).collect()
    }
}

/// Last view of an epoch's staking phase.
fn staking_final_view(setup: &EpochSetup, config: &Config) -> u64 {
    setup.first_view + config.epochs.staking_views - 1
}

/// Views that pass between the execution that emits a recovery and its seal, at most.
const RECOVERY_MARGIN_VIEWS: u64 = 20;
