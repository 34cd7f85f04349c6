//! Snapshot tree roots from the JSON of a chain folder, by `docs/snapshot-tree.md` alone: plain
//! recursion over strings of bits, and no code of the tree's.

use std::collections::BTreeMap;
use std::path::Path;

use blake2b_simd::Params;
use serde_json::Value;
use weir_integration_tests::folder_lines;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, sha3_256};
use weir_protocol::model::{Identifier, Role, ServiceEvent};

type Hash = Vec<u8>;

/// The root of every protocol state in a chain folder, by the state's ID.
pub(super) fn roots(dir: &Path) -> BTreeMap<String, Identifier> {
    let lines = |file: &str| folder_lines(dir, file).unwrap();
    let epoch_states = lines("epoch_states.jsonl.gz");
    let by_id: BTreeMap<_, _> =
        epoch_states.iter().map(|line| (text(&line["epoch_state_id"]), line)).collect();
    let first_views = first_views(&lines("service_events.jsonl.gz"));
    let root_of = |kv: &Value| {
        let epochs = by_id[text(&kv["fields"]["EpochStateID"])];
        let setup_id = text(&epochs["entry"]["CurrentEpoch"]["SetupID"]);
        // The first epoch's setup is in the root snapshot only; its first view is 0.
        let first_view = first_views.get(setup_id).copied().unwrap_or_default();
        (text(&kv["protocol_state_id"]).to_owned(), root(kv, epochs, first_view))
    };
    lines("kv_states.jsonl.gz").iter().map(root_of).collect()
}

fn first_views(events: &[Value]) -> BTreeMap<String, u64> {
    let setup = |line: &Value| {
        let json = line["event"].to_string();
        match ServiceEvent::from_json(text(&line["type"]), json.as_bytes()).unwrap() {
            ServiceEvent::EpochSetup(setup) => Some((setup.id().to_hex(), setup.first_view)),
            ServiceEvent::EpochRecover(recover) => {
                Some((recover.setup.id().to_hex(), recover.setup.first_view))
            }
            _ => None,
        }
    };
    events.iter().filter_map(setup).collect()
}

fn root(kv: &Value, epochs: &Value, first_view: u64) -> Identifier {
    let nodes = epochs["identity_table"].as_array().unwrap();
    let leaf = |tree: u8, node: &Value| blake(0, &[&[tree], &identity(node)]);
    let by_id: Vec<_> =
        nodes.iter().map(|node| (bits(&bytes(&node["NodeID"])), leaf(1, node))).collect();
    let role_key = |node: &Value| [&[role(node).number()][..], &bytes(&node["NodeID"])].concat();
    let by_role: Vec<_> = nodes.iter().map(|node| (bits(&role_key(node)), leaf(2, node))).collect();
    let fields: Vec<_> = fields(kv, epochs, first_view)
        .into_iter()
        .map(|(name, value)| {
            (bits(&sha3_256(&[name.as_bytes()]).0), blake(0, &[&[3], &value.finish()]))
        })
        .collect();
    let mut rest = Vec::new();
    for of in Role::ALL {
        let count = nodes.iter().filter(|node| role(node) == of).count();
        rest.extend(u64::try_from(count).unwrap().to_be_bytes());
    }
    let rest = blake(17, &[&rest, &patricia(&by_role), &patricia(&fields)]);
    let root = blake(16, &[b"flow-snapshot-tree", &[1], &patricia(&by_id), &rest]);
    Identifier(root.try_into().unwrap())
}

fn identity(node: &Value) -> Vec<u8> {
    let statuses = ["Active", "Joining", "Leaving", "Ejected"];
    let status = text(&node["Status"]).strip_prefix("EpochParticipationStatus").unwrap();
    let status = statuses.iter().position(|name| *name == status).unwrap() + 1;
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(&bytes(&node["NodeID"]));
        e.bytes(text(&node["Address"]).as_bytes());
        e.uint(role(node).number().into());
        e.uint(number(&node["InitialWeight"]));
        e.bytes(&bytes(&node["StakingPubKey"]));
        e.bytes(&bytes(&node["NetworkPubKey"]));
        e.uint(u64::try_from(status).unwrap());
    });
    encoder.finish()
}

fn fields(kv: &Value, epochs: &Value, first_view: u64) -> Vec<(&'static str, Encoder)> {
    let (store, entry) = (&kv["fields"], &epochs["entry"]);
    let (current, numbered) = (&entry["CurrentEpoch"], encoded_number);
    let phases = ["Staking", "Setup", "Committed", "Fallback"];
    let phase = text(&epochs["phase"]).strip_prefix("EpochPhase").unwrap();
    let phase = phases.iter().position(|name| *name == phase).unwrap() as u64 + 1;
    let fallback = u64::from(entry["EpochFallbackTriggered"].as_bool().unwrap());
    let extension_count = number(&store["EpochExtensionViewCount"]);
    let threshold = number(&store["FinalizationSafetyThreshold"]);
    let mut fields = vec![
        ("kv_store.version", numbered(number(&kv["version"]))),
        ("kv_store.epoch_extension_view_count", numbered(extension_count)),
        ("kv_store.finalization_safety_threshold", numbered(threshold)),
        ("kv_store.epoch_state_id", encoded_id(&store["EpochStateID"])),
        ("kv_store.execution_metering_parameters", metering(&store["ExecutionMeteringParameters"])),
        ("kv_store.execution_component_version", component(&store["ExecutionComponentVersion"])),
        ("kv_store.cadence_component_version", component(&store["CadenceComponentVersion"])),
        ("current_epoch.counter", numbered(number(&epochs["counter"]))),
        ("current_epoch.first_view", numbered(first_view)),
        ("current_epoch.final_view", numbered(number(&epochs["current_epoch_final_view"]))),
        ("current_epoch.phase", numbered(phase)),
        ("current_epoch.extensions", extensions(&current["EpochExtensions"])),
        ("epoch_fallback_triggered", numbered(fallback)),
        ("current_epoch.setup_id", encoded_id(&current["SetupID"])),
        ("current_epoch.commit_id", encoded_id(&current["CommitID"])),
    ];
    if let Some(upgrade) = store["VersionUpgrade"].as_object() {
        let both = [&upgrade["Data"], &upgrade["ActivationView"]].map(number);
        fields.push(("kv_store.version_upgrade", encoded_list(&both)));
    }
    for (epoch, names) in [
        ("PreviousEpoch", ["previous_epoch.setup_id", "previous_epoch.commit_id"]),
        ("NextEpoch", ["next_epoch.setup_id", "next_epoch.commit_id"]),
    ] {
        let ids = ["SetupID", "CommitID"].map(|name| &entry[epoch][name]);
        let present = |id: &Value| id.as_str().is_some_and(|id| id.bytes().any(|c| c != b'0'));
        let both = names.into_iter().zip(ids).filter(|(_, id)| present(id));
        fields.extend(both.map(|(name, id)| (name, encoded_id(id))));
    }
    fields
}

fn encoded_number(number: u64) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.uint(number);
    encoder
}

fn encoded_id(id: &Value) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.bytes(&bytes(id));
    encoder
}

fn encoded_list(numbers: &[u64]) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.list(|e| numbers.iter().for_each(|number| e.uint(*number)));
    encoder
}

fn extensions(extensions: &Value) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        for extension in extensions.as_array().into_iter().flatten() {
            e.list(|e| {
                e.uint(number(&extension["FirstView"]));
                e.uint(number(&extension["FinalView"]));
            });
        }
    });
    encoder
}

/// A simulated network has no weights and no scheduled values.
fn metering(parameters: &Value) -> Encoder {
    let value = &parameters["CurrentValue"];
    assert!(parameters["Update"].is_null());
    assert!(value["ExecutionEffortWeights"].as_object().unwrap().is_empty());
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.list(|e| {
            e.list(|_| ());
            e.list(|_| ());
            e.uint(number(&value["ExecutionMemoryLimit"]));
        });
        e.list(|_| ());
    });
    encoder
}

fn component(version: &Value) -> Encoder {
    assert!(version["Update"].is_null());
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.list(|e| {
            e.uint(number(&version["CurrentValue"]["Major"]));
            e.uint(number(&version["CurrentValue"]["Minor"]));
        });
        e.list(|_| ());
    });
    encoder
}

fn blake(key: u8, parts: &[&[u8]]) -> Hash {
    let mut params = Params::new();
    params.hash_length(32).key(&[key]);
    params.hash(&parts.concat()).as_bytes().to_vec()
}

/// Bits of a key, most significant first.
fn bits(key: &[u8]) -> Vec<bool> {
    key.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect()
}

/// Hash over the leaves whose keys are left, as strings of bits.
fn patricia(leaves: &[(Vec<bool>, Hash)]) -> Hash {
    let Some((first, leaf)) = leaves.first() else {
        return Params::new().hash_length(32).hash(b"").as_bytes().to_vec();
    };
    let common = (0..first.len())
        .take_while(|at| leaves.iter().all(|(key, _)| key[*at] == first[*at]))
        .count();
    let half = |side: bool| {
        let below = leaves.iter().filter(|(key, _)| key[common] == side);
        let below = below.map(|(key, leaf)| (key[common + 1..].to_vec(), leaf.clone()));
        patricia(&below.collect::<Vec<_>>())
    };
    let inner =
        if common == first.len() { leaf.clone() } else { blake(1, &[&half(false), &half(true)]) };
    if common == 0 {
        return inner;
    }
    let mut path = vec![0u8; common.div_ceil(8)];
    for (at, bit) in first[..common].iter().enumerate() {
        path[at / 8] |= u8::from(*bit) << (7 - at % 8);
    }
    blake(2, &[&u16::try_from(common).unwrap().to_be_bytes(), &path, &inner])
}

fn role(node: &Value) -> Role {
    text(&node["Role"]).parse().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = text(value);
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
