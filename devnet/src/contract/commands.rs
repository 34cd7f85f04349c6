//! How commands change the contracts.

use std::sync::Arc;

use weir_protocol::model::{Identifier, Role, ServiceEvent, VersionBeacon, VersionBoundary};
use weir_protocol::protocol_state::EpochName;

use super::{Contract, Environment, ExecutedBlock, Flaw, Recovery, Stage};
use crate::nodes::Node;
use crate::schedule::{Command, NodeName, Schedule, ScheduledEvent, Trigger};

/// All commands ever given; every fork carries out each of them once.
#[derive(Clone, Debug, Default)]
pub struct CommandLog(Vec<ScheduledEvent>);

impl CommandLog {
    /// Starts with those on a schedule.
    #[must_use]
    pub fn new(schedule: &Schedule) -> Self {
        Self(schedule.events.clone())
    }

    /// Adds a command.
    pub fn push(&mut self, trigger: Trigger, command: Command) {
        self.0.push(ScheduledEvent { trigger, command });
    }
}

impl Contract {
    /// Carries out all commands that became due.
    pub(super) fn carry_out_due(
        &mut self,
        block: &ExecutedBlock<'_>,
        environment: &mut Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        let log = environment.log;
        let is_due = |index: &usize| log.0[*index].trigger.is_due(block.height, block.view);
        let unseen = self.commands_seen..log.0.len();
        if unseen.is_empty() && !self.commands_waiting.iter().any(is_due) {
            return;
        }
        let all = self.commands_waiting.iter().copied().chain(unseen);
        let (due, waiting): (Vec<usize>, Vec<usize>) = all.partition(is_due);
        self.commands_seen = log.0.len();
        self.commands_waiting = Arc::new(waiting);
        for index in due {
            self.carry_out(&log.0[index].command, block, environment, events);
        }
    }

    fn carry_out(
        &mut self,
        command: &Command,
        block: &ExecutedBlock<'_>,
        environment: &mut Environment<'_>,
        events: &mut Vec<ServiceEvent>,
    ) {
        match command {
            Command::Eject(name) => {
                let Some(node) = self.named(name, environment) else { return };
                if !self.is_spared(&node, block, environment) {
                    return;
                }
                self.dismiss(&node);
                Arc::make_mut(&mut self.ejected).insert(node.id());
                events.push(ServiceEvent::EjectNode { node_id: node.id() });
            }
            Command::Leave(name) => {
                let Some(node) = self.named(name, environment) else { return };
                self.dismiss(&node);
            }
            Command::Join(role) => self.join(*role, environment),
            Command::UpgradeVersion { version, lead_views } => {
                events.push(ServiceEvent::ProtocolStateVersionUpgrade {
                    new_protocol_state_version: *version,
                    active_view: block.view + lead_views,
                });
            }
            Command::SetExtensionViewCount { value } => {
                events.push(ServiceEvent::SetEpochExtensionViewCount { value: *value });
            }
            Command::VersionBeacon { block_height, version } => {
                let boundary =
                    VersionBoundary { block_height: *block_height, version: version.clone() };
                events.push(ServiceEvent::VersionBeacon(VersionBeacon {
                    version_boundaries: vec![boundary],
                    sequence: self.next_beacon,
                }));
                self.next_beacon += 1;
            }
            Command::InvalidSetup => self.flaw = Some(Flaw::InvalidSetup),
            Command::MissedCommit => self.flaw = Some(Flaw::MissedCommit),
            Command::RepeatedCommit => self.flaw = Some(Flaw::RepeatedCommit),
            Command::Recover => self.recovery = Recovery::Wanted,
        }
    }

    /// The approved node of this name; none when it left, never was, or later epochs need it
    /// because too few others of its role are approved.
    fn named(&self, name: &NodeName, environment: &Environment<'_>) -> Option<Arc<Node>> {
        let mut approved = self.approved.iter();
        let node = match name {
            NodeName::Id(id) => approved.find(|node| node.id() == *id),
            NodeName::Place { role, position } => {
                approved.filter(|node| node.skeleton.role == *role).nth(*position)
            }
        }?;
        let role = node.skeleton.role;
        let others = self.approved.iter().filter(|other| other.skeleton.role == role).count() - 1;
        (others >= environment.config.nodes_min(role)).then(|| Arc::clone(node))
    }

    /// Whether the epochs that are set up have enough nodes of its role without it.
    ///
    /// Nodes that joined since are in none of them, and those that are leaving still are.
    fn is_spared(
        &self,
        node: &Node,
        block: &ExecutedBlock<'_>,
        environment: &Environment<'_>,
    ) -> bool {
        let role = node.skeleton.role;
        let next = block.state.events(EpochName::Next).map(|events| &*events.setup);
        let setups = [Some(&**block.state.current_setup()), next, Some(&*self.current)];
        let coming = match &self.stage {
            Stage::Setup { setup, .. } | Stage::Committed(setup) => Some(&**setup),
            Stage::Staking | Stage::Halted => None,
        };
        setups.into_iter().chain([coming]).flatten().all(|setup| {
            let of_role = setup.participants.iter().filter(|other| other.role == role);
            let stays = |id: &Identifier| *id != node.id() && !self.ejected.contains(id);
            let others = of_role.filter(|other| stays(&other.node_id)).count();
            others >= environment.config.nodes_min(role)
        })
    }

    fn dismiss(&mut self, node: &Node) {
        Arc::make_mut(&mut self.approved).retain(|other| other.id() != node.id());
    }

    fn join(&mut self, role: Role, environment: &mut Environment<'_>) {
        let node = environment.nodes.make(role, self.next_number);
        self.next_number += 1;
        let approved = Arc::make_mut(&mut self.approved);
        let place = approved.partition_point(|other| other.id() < node.id());
        approved.insert(place, node);
    }
}
