//! Trees of the states that flow-go made.

use crate::common_step::{CHAINS, Chain, entry, id, setup, text, uint};
use crate::network::{ask, check_bytes, check_honest};
use serde_json::Value;
use std::collections::HashMap;
use weir_protocol::codec::Entity;
use weir_protocol::model::{
    EpochSetup, EpochStateContainer, EpochStateEntry, Identifier, KvStore, Role,
};
use weir_protocol::protocol_state::EpochIdentities;
use weir_protocol::snapshot_tree::{Field, FieldValue, SnapshotTree, TreeItem};

#[bounded::test]
fn trees_of_flow_gos_states_prove_what_flow_go_says() {
    for name in CHAINS {
        let chain = Chain::load(name);
        let setups = setups(&chain);
        for state in &chain.kv_states {
            let data = hex::decode(text(&state["data"])).unwrap();
            let kv = KvStore::from_msgpack(uint(&state["version"]), &data).unwrap();
            let line = chain.epoch_state(kv.epoch_state_id);
            let tree = build(&setups, &kv, &entry(&line["entry"]));
            check_table(&tree, line);
            check_fields(&tree, &kv, line);
            check_parts(&tree);
        }
    }
}

/// The setups of all epochs, those inside of recoveries included.
fn setups(chain: &Chain) -> HashMap<Identifier, EpochSetup> {
    let events = chain.service_events.iter().map(|line| &line["event"]);
    let inner = events.filter_map(|event| match &event["EpochSetup"] {
        Value::Null => event.get("Participants").map(|_| event),
        inner => Some(inner),
    });
    inner.map(setup).map(|setup| (setup.id(), setup)).collect()
}

fn build(
    setups: &HashMap<Identifier, EpochSetup>,
    kv: &KvStore,
    entry: &EpochStateEntry,
) -> SnapshotTree {
    let open = |container: &EpochStateContainer| &setups[&container.setup_id];
    let epochs = EpochIdentities {
        entry,
        previous: entry.previous_epoch.as_ref().map(open),
        current: open(&entry.current_epoch),
        next: entry.next_epoch.as_ref().map(open),
    };
    SnapshotTree::new(kv, &epochs).unwrap()
}

fn check_table(tree: &SnapshotTree, line: &Value) {
    let rows = line["identity_table"].as_array().unwrap();
    assert_eq!(tree.identities().len(), rows.len());
    for (node, row) in tree.identities().iter().zip(rows) {
        assert_eq!(node.skeleton.node_id, id(&row["NodeID"]));
        assert_eq!(node.skeleton.role.name(), text(&row["Role"]));
        assert_eq!(node.status.flow_name(), text(&row["Status"]));
    }
    check_honest(tree, &ask([TreeItem::Table]));
}

fn check_fields(tree: &SnapshotTree, kv: &KvStore, line: &Value) {
    check_honest(tree, &ask(Field::ALL.map(TreeItem::Field)));
    for field in Field::ALL {
        check_honest(tree, &ask([TreeItem::Field(field)]));
    }
    let fields = tree.fields();
    let number = |field| fields.get(&field).cloned();
    assert_eq!(number(Field::Version), Some(FieldValue::Number(kv.version)));
    assert_eq!(number(Field::EpochCounter), Some(FieldValue::Number(uint(&line["counter"]))));
    let final_view = uint(&line["current_epoch_final_view"]);
    assert_eq!(number(Field::EpochFinalView), Some(FieldValue::Number(final_view)));
    let Some(FieldValue::Phase(phase)) = fields.get(&Field::EpochPhase) else { panic!() };
    assert_eq!(phase.name(), text(&line["phase"]));
    let execution = [Field::ExecutionComponentVersion, Field::ExecutionMeteringParameters];
    assert!(execution.iter().all(|field| fields.contains_key(field) == (kv.version == 3)));
    let has_next = !line["entry"]["NextEpoch"].is_null();
    assert_eq!(fields.contains_key(&Field::NextSetupId), has_next);
}

/// Nodes, absent ones, roles, and all of them at once.
fn check_parts(tree: &SnapshotTree) {
    let ids: Vec<_> = tree.identities().iter().map(|node| node.skeleton.node_id).collect();
    for node_id in ids.iter().step_by(ids.len().div_ceil(8)) {
        check_honest(tree, &ask([TreeItem::Node(*node_id)]));
        let mut absent = *node_id;
        absent.0[31] ^= 1;
        check_honest(tree, &ask([TreeItem::Node(absent), TreeItem::Node(*node_id)]));
        let question = ask([TreeItem::Node(absent)]);
        check_honest(tree, &question);
        check_bytes(tree, &question, &tree.prove(&ask([TreeItem::Node(*node_id)])));
    }
    for role in Role::ALL {
        check_honest(tree, &ask([TreeItem::Role(role)]));
    }
    let nodes = ids.iter().step_by(7).copied().map(TreeItem::Node);
    let absent = (0..20).map(|byte| TreeItem::Node(Identifier([byte * 12; 32])));
    let roles = Role::ALL.map(TreeItem::Role);
    let all = nodes.chain(absent).chain(roles).chain(Field::ALL.map(TreeItem::Field));
    check_honest(tree, &ask(all));
}
