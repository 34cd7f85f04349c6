//! Whole protocol states, and what changes from one to the next: what events are made of.

use super::answer::{IdentityAnswer, identities};
use super::sources::Sources;
use super::state::StateView;
use super::{Rejection, Trust};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{EpochPhase, Header, Identifier, Versions, ViewBasedActivator};
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};

/// The protocol state at a block, with its identity table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateAt {
    /// The block.
    pub block_id: Identifier,
    /// Its parent.
    pub parent_id: Identifier,
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its proposal time, Unix milliseconds.
    pub timestamp_ms: u64,
    /// How far it is proved.
    pub trust: Trust,
    /// ID of the protocol state.
    pub protocol_state_id: Identifier,
    /// The current epoch.
    pub epoch: EpochAt,
    /// Version of the protocol state.
    pub version: VersionAt,
    /// The identity table, in canonical order.
    pub identities: Vec<IdentityAnswer>,
}

/// The current epoch as of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochAt {
    /// Number of the epoch.
    pub counter: u64,
    /// Its phase.
    pub phase: EpochPhase,
    /// Whether the network is in epoch fallback mode.
    pub fallback_triggered: bool,
    /// First view.
    pub first_view: u64,
    /// Last view, extensions counted.
    pub final_view: u64,
}

/// Version of the protocol state as of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionAt {
    /// The version in force.
    pub version: u64,
    /// The upgrade scheduled last; it stays after its activation.
    pub upgrade: Option<ViewBasedActivator<u64>>,
    /// Whether the upgrade is to a version that is not known here.
    pub needs_update: bool,
}

/// What is different between two protocol states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another epoch, another phase, fallback mode or an extension.
    Epoch {
        /// As it was.
        before: EpochAt,
        /// As it is.
        after: EpochAt,
    },
    /// An upgrade of the protocol state is scheduled or in force.
    Version {
        /// As it was.
        before: VersionAt,
        /// As it is.
        after: VersionAt,
    },
    /// A node came into the identity table, left it, or is another one there.
    Identity {
        /// As it was, if it was in the table.
        before: Option<Box<IdentityAnswer>>,
        /// As it is, if it is in the table.
        after: Option<Box<IdentityAnswer>>,
    },
}

impl StateAt {
    /// What is different here from an earlier state: the epoch first, then the version, then nodes
    /// by ID.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if earlier.epoch != self.epoch {
            changes.push(Change::Epoch { before: earlier.epoch, after: self.epoch });
        }
        if earlier.version != self.version {
            changes.push(Change::Version { before: earlier.version, after: self.version });
        }
        let mut nodes: BTreeMap<Identifier, [Option<&IdentityAnswer>; 2]> = BTreeMap::new();
        for (side, state) in [earlier, self].into_iter().enumerate() {
            for node in &state.identities {
                nodes.entry(node.skeleton.node_id).or_default()[side] = Some(node);
            }
        }
        let boxed = |node: Option<&IdentityAnswer>| node.cloned().map(Box::new);
        for [before, after] in nodes.into_values().filter(|[before, after]| before != after) {
            changes.push(Change::Identity { before: boxed(before), after: boxed(after) });
        }
        changes
    }
}

/// The question whose evidence has the whole state at a block.
#[must_use]
pub fn about_state(block: Selector) -> Question {
    Question { block, topic: Topic::Identities(IdentityFilter::default()) }
}

/// The state of a proved block, with its identity table.
pub(super) fn whole_state(
    header: &Header,
    state: &StateView,
    sources: Sources<'_>,
    trust: Trust,
) -> Result<StateAt, Rejection> {
    Ok(StateAt {
        block_id: header.id(),
        parent_id: header.parent_id,
        height: header.height,
        view: header.view,
        timestamp_ms: header.timestamp_ms,
        trust,
        protocol_state_id: state.protocol_state_id,
        epoch: EpochAt {
            counter: state.current_setup.counter,
            phase: state.entry.phase(),
            fallback_triggered: state.entry.epoch_fallback_triggered,
            first_view: state.current_setup.first_view,
            final_view: state.final_view(),
        },
        version: VersionAt {
            version: state.kv.version,
            upgrade: state.kv.version_upgrade,
            needs_update: state.kv.upgrade_beyond(Versions::of_chain(&header.chain_id)).is_some(),
        },
        identities: identities(state, sources, |_| true)?,
    })
}
