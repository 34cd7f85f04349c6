//! Numbers, leaders and chunk assignments drawn by flow-go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "these vectors are no chains")]
mod common;

use serde_json::Value;
use weir_protocol::chunk_assignment::assign_chunks;
use weir_protocol::hotstuff::{LeaderSelection, LeaderSelectionError};
use weir_protocol::model::{Clusters, EpochSetup, Identifier, IdentitySkeleton, Role};
use weir_protocol::prg::{Customizer, Prg};

fn records(kind: &str) -> Vec<Value> {
    let records = common::lines("primitives/randomness.jsonl.gz");
    records.into_iter().filter(|record| record["kind"] == kind).collect()
}

fn hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(index).collect()
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn id(index: usize) -> Identifier {
    let mut id = Identifier::ZERO;
    id.0[..8].copy_from_slice(&(index as u64).to_be_bytes());
    id
}

#[bounded::test]
fn numbers_are_flow_gos() {
    let records = records("prg");
    assert_eq!(records.len(), 4);
    for record in records {
        let customizer = match &hex(&record["customizer"])[..] {
            [0, 0] => Customizer::ConsensusLeaderSelection,
            [2, 0] => Customizer::VerificationChunkAssignment,
            other => panic!("{other:?}"),
        };
        let mut prg = Prg::new(&hex(&record["source"]), customizer);
        let mut read = |expected: &Value| {
            let mut bytes = vec![7; hex(expected).len()];
            prg.read(&mut bytes);
            assert_eq!(bytes, hex(expected));
        };
        read(&record["bytes"]);
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let ends = record["below"].as_array().unwrap().iter().map(number);
        let drawn: Vec<u64> = ends.flat_map(|end| [end; 3]).map(|end| prg.below(end)).collect();
        let expected = record["numbers"].as_array().unwrap().iter().map(number);
        assert_eq!(drawn, expected.collect::<Vec<_>>());
        let mut items: Vec<usize> = (0..10).collect();
        prg.shuffle(&mut items);
        assert_eq!(items, indices(&record["shuffled"]));
        let mut items: Vec<usize> = (0..10).collect();
        prg.sample(&mut items, 4);
        assert_eq!(items, indices(&record["sampled"]));
        let mut bytes = vec![7; hex(&record["more_bytes"]).len()];
        prg.read(&mut bytes);
        assert_eq!(bytes, hex(&record["more_bytes"]));
    }
}

/// A setup with consensus nodes of these weights, and a node of another role before each.
fn setup(random_source: Vec<u8>, weights: &[u64]) -> EpochSetup {
    let node = |index: usize, role, initial_weight| IdentitySkeleton {
        node_id: id(index),
        address: String::new(),
        role,
        initial_weight,
        staking_key: None,
        network_key: None,
    };
    let pair = |(index, weight): (usize, &u64)| {
        [node(1_000_000 + index, Role::Verification, 5), node(index, Role::Consensus, *weight)]
    };
    EpochSetup {
        counter: 0,
        first_view: 1000,
        dkg_phase1_final_view: 0,
        dkg_phase2_final_view: 0,
        dkg_phase3_final_view: 0,
        final_view: 1010,
        participants: weights.iter().enumerate().flat_map(pair).collect(),
        assignments: Clusters::default(),
        random_source,
        target_duration: 0,
        target_end_time: 0,
    }
}

#[bounded::test]
fn leaders_are_flow_gos() {
    let records = records("leaders");
    assert_eq!(records.len(), 5);
    for record in records {
        let weights: Vec<u64> =
            record["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap()).collect();
        let setup = setup(hex(&record["random_source"]), &weights);
        let mut selection = LeaderSelection::new(&setup).unwrap();
        assert_eq!(selection.leader_for_view(999), None);
        let expected: Vec<_> = indices(&record["leaders"]).into_iter().map(id).collect();
        // In order, as a chain asks, and then the first and the last once more.
        for (view, expected) in (1000..).zip(&expected) {
            assert_eq!(selection.leader_for_view(view), Some(*expected), "{view}");
        }
        let mut other = LeaderSelection::new(&setup).unwrap();
        assert_eq!(other.leader_for_view(1059).as_ref(), expected.last());
        assert_eq!(other.leader_for_view(1000).as_ref(), expected.first());
    }
}

#[bounded::test]
fn a_committee_without_weight_or_with_too_much_has_no_leaders() {
    let error = |weights: &[u64]| LeaderSelection::new(&setup(vec![1; 16], weights)).unwrap_err();
    assert_eq!(error(&[0, 0]), LeaderSelectionError::Empty);
    assert_eq!(error(&[u64::MAX, 1]), LeaderSelectionError::WeightOverflow);
    assert!(LeaderSelection::new(&setup(vec![1; 16], &[u64::MAX, 0])).is_ok());
    assert_eq!(error(&[1; 65_535]), LeaderSelectionError::TooMany { found: 65_535 });
    assert!(LeaderSelection::new(&setup(vec![1; 16], &[1; 65_534])).is_ok());
}

#[bounded::test]
fn chunk_assignments_are_flow_gos() {
    let records = records("chunk assignment");
    assert_eq!(records.len(), 9);
    for record in records {
        let verifiers: Vec<_> = (0..index(&record["verifiers"])).map(id).collect();
        let (source, alpha) = (hex(&record["source"]), index(&record["alpha"]));
        let expected: Vec<Vec<Identifier>> = record["assigned"]
            .as_array()
            .unwrap()
            .iter()
            .map(|chunk| indices(chunk).into_iter().map(id).collect())
            .collect();
        let mut assigned = assign_chunks(&verifiers, expected.len(), &source, alpha).unwrap();
        assigned.iter_mut().for_each(|nodes| nodes.sort());
        assert_eq!(assigned, expected, "{record}");
        assert_eq!(assign_chunks(&verifiers[1..], 1, &source, verifiers.len()), None);
    }
}
