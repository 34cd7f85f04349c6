//! The step, sealing and identity tables against chains made by flow-go.

#![expect(clippy::unwrap_used, reason = "tests; allowed by default only inside of test functions")]

mod common_step;

use common_step::{CHAINS, Chain, entry, id, kv, text, uint};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::{ExecutionResult, Identifier};
use weir_protocol::protocol_state::sealing::{BlockPosition, LastSealed, order_seals};
use weir_protocol::protocol_state::{
    EpochEvents, EpochIdentities, Identity, ProtocolState, UntrustedProtocolState, evolve,
    identity_table, next_identity_table,
};

/// A chain walked block by block.
struct Walk<'a> {
    chain: &'a Chain,
    states: HashMap<Identifier, Arc<ProtocolState>>,
    sealed: HashMap<Identifier, LastSealed>,
    positions: HashMap<Identifier, BlockPosition>,
    results: HashMap<Identifier, &'a ExecutionResult>,
}

#[bounded::test]
fn every_block_has_the_state_flow_go_computed() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let mut walk = Walk::begin(&chain);
        for index in 1..chain.blocks.len() {
            walk.step(index);
        }
    }
}

#[bounded::test]
fn every_epoch_state_has_the_identity_tables_flow_go_computed() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let mut walk = Walk::begin(&chain);
        for index in 1..chain.blocks.len() {
            walk.step(index);
        }
        let states: HashMap<_, _> =
            walk.states.values().map(|state| (state.epoch_state_id(), state)).collect();
        assert_eq!(states.len(), chain.epoch_states.len(), "{name}");
        for (state_id, state) in states {
            check_epoch_state(state, chain.epoch_state(state_id));
        }
    }
}

#[bounded::test]
fn every_state_can_be_joined_from_its_parts() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let mut walk = Walk::begin(&chain);
        for index in 1..chain.blocks.len() {
            let stepped = walk.step(index);
            if !Arc::ptr_eq(&stepped, &walk.states[&chain.blocks[index].parent_id]) {
                let parts = UntrustedProtocolState {
                    kv: kv(chain.kv_state(stepped.id())),
                    epoch_state: entry(&chain.epoch_state(stepped.epoch_state_id())["entry"]),
                    previous: events_of(stepped.previous_setup(), stepped.previous_commit()),
                    current: events_of(
                        Some(stepped.current_setup()),
                        Some(stepped.current_commit()),
                    )
                    .unwrap(),
                    next: events_of(stepped.next_setup(), stepped.next_commit()),
                };
                assert_eq!(ProtocolState::new(parts).unwrap(), *stepped);
            }
        }
    }
}

#[bounded::test]
fn a_committee_that_follows_another_is_the_one_made_alone() {
    let mut changed = 0;
    for name in CHAINS {
        let chain = Chain::load(name);
        let mut walk = Walk::begin(&chain);
        let mut seen = None;
        for index in 1..chain.blocks.len() {
            let state = walk.step(index);
            let Some((setup, commit)) = state.next_setup().zip(state.next_commit()) else {
                continue;
            };
            if seen.replace(setup.counter) == Some(setup.counter) {
                continue;
            }
            let current = Committee::new(state.current_setup(), state.current_commit()).unwrap();
            let alone = Committee::new(setup, commit).unwrap();
            let follows = Committee::after(&current, setup, commit).unwrap();
            assert_eq!(format!("{follows:?}"), format!("{alone:?}"), "{name} {index}");
            changed += usize::from(!current.members().eq(alone.members()));
        }
    }
    assert!(changed > 0, "some members leave and join");
}

impl<'a> Walk<'a> {
    /// Begins with the root block's state, from its parts.
    fn begin(chain: &'a Chain) -> Self {
        let root = &chain.blocks[0];
        let kv_store = kv(chain.kv_state(id(&root.expected["protocol_state_id"])));
        let epoch_state = entry(&chain.epoch_state(kv_store.epoch_state_id)["entry"]);
        assert_eq!(epoch_state.previous_epoch, None);
        let container = &epoch_state.current_epoch;
        let setup = common_step::setup(chain.service_event(container.setup_id));
        let commit = common_step::commit(chain.service_event(container.commit_id));
        let current = EpochEvents { setup: Arc::new(setup), commit: Some(Arc::new(commit)) };
        let state = ProtocolState::new(UntrustedProtocolState {
            kv: kv_store,
            epoch_state,
            previous: None,
            current,
            next: None,
        });
        let state = Arc::new(state.unwrap());
        check_state(&state, &root.expected);
        let position = BlockPosition { height: root.height, parent_id: root.parent_id };
        let sealed = LastSealed { block_id: root.block_id, height: root.height };
        let results = chain.blocks.iter().flat_map(|block| &block.results);
        Self {
            chain,
            states: HashMap::from([(root.block_id, state)]),
            sealed: HashMap::from([(root.block_id, sealed)]),
            positions: HashMap::from([(root.block_id, position)]),
            results: results.map(|(result_id, result)| (*result_id, result)).collect(),
        }
    }

    fn step(&mut self, index: usize) -> Arc<ProtocolState> {
        let block = &self.chain.blocks[index];
        let sealed = order_seals(
            self.sealed[&block.parent_id],
            &block.seals,
            |block_id| self.positions.get(block_id).copied(),
            |result_id| self.results.get(result_id).copied(),
        )
        .unwrap();
        let expected = id(&block.expected["last_sealed_block_id"]);
        assert_eq!(sealed.last_sealed.block_id, expected);
        let parent = &self.states[&block.parent_id];
        let state = evolve(parent, block.view, &sealed.service_events()).unwrap();
        println!("{} height {} view {}", self.chain.name, block.height, block.view);
        check_state(&state, &block.expected);
        assert_eq!(Arc::ptr_eq(parent, &state), parent.id() == state.id());
        let position = BlockPosition { height: block.height, parent_id: block.parent_id };
        self.positions.insert(block.block_id, position);
        self.sealed.insert(block.block_id, sealed.last_sealed);
        self.states.insert(block.block_id, Arc::clone(&state));
        state
    }
}

fn check_state(state: &ProtocolState, expected: &Value) {
    assert_eq!(state.phase().name(), text(&expected["epoch_phase"]));
    assert_eq!(state.epoch_counter(), uint(&expected["epoch_counter"]));
    assert_eq!(state.epoch_fallback_triggered(), expected["epoch_fallback_triggered"]);
    assert_eq!(state.version(), uint(&expected["protocol_state_version"]));
    assert_eq!(state.epoch_state_id(), id(&expected["epoch_state_id"]));
    assert_eq!(state.id(), id(&expected["protocol_state_id"]));
}

fn check_epoch_state(state: &ProtocolState, expected: &Value) {
    assert_eq!(**state.epoch_state(), entry(&expected["entry"]));
    assert_eq!(state.final_view(), uint(&expected["current_epoch_final_view"]));
    assert_eq!(state.epoch_counter(), uint(&expected["counter"]));
    assert_eq!(state.phase().name(), text(&expected["phase"]));
    let identities = EpochIdentities {
        entry: state.epoch_state(),
        previous: state.previous_setup().map(|setup| &**setup),
        current: state.current_setup(),
        next: state.next_setup().map(|setup| &**setup),
    };
    let table = identity_table(state);
    assert_eq!(identities.table().unwrap(), table);
    check_table(&table, &expected["identity_table"]);
    let next = next_identity_table(state);
    assert_eq!(identities.next_table().unwrap(), next);
    check_table(&next.unwrap_or_default(), &expected["next_identity_table"]);
}

fn check_table(table: &[Identity<'_>], expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(table.len(), expected.len());
    for (row, expected) in table.iter().zip(expected) {
        let node = row.skeleton;
        assert_eq!(node.node_id, id(&expected["NodeID"]));
        assert_eq!(row.status.flow_name(), text(&expected["Status"]), "{}", node.node_id);
        assert_eq!(node.address, text(&expected["Address"]));
        assert_eq!(node.role.name(), text(&expected["Role"]));
        assert_eq!(node.initial_weight, uint(&expected["InitialWeight"]));
        assert_eq!(hex::encode(node.staking_key.unwrap()), text(&expected["StakingPubKey"]));
        assert_eq!(hex::encode(node.network_key.unwrap()), text(&expected["NetworkPubKey"]));
    }
}

fn events_of(
    setup: Option<&Arc<weir_protocol::model::EpochSetup>>,
    commit: Option<&Arc<weir_protocol::model::EpochCommit>>,
) -> Option<EpochEvents> {
    setup.map(|setup| EpochEvents { setup: Arc::clone(setup), commit: commit.cloned() })
}
