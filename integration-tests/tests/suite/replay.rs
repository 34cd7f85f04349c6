//! Every record of every reference chain: identifiers, states, finality, and all certificates.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use weir_integration_tests::{CHAINS, TestServer, chain_dir, expected};
use weir_protocol::hotstuff::{CertificateError, Committee, verify_qcs};
use weir_protocol::model::QuorumCertificate;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::ingest::evidence_json;
use weir_server::prover::Prover;
use weir_server::replay::Replay;
use weir_server::source::ChainFolder;

#[bounded::test]
fn every_block_of_every_chain_agrees_with_flow_go() {
    for chain in CHAINS {
        let folder = ChainFolder::open(chain_dir(chain)).unwrap();
        let replay = Replay::run(&folder, Thoroughness::All).unwrap();
        assert_agrees(&replay, &expected(chain).unwrap(), chain);
        assert_eq!(replay.evidence.is_empty(), chain != "conflicting-finality", "{chain}");
    }
}

/// What a replay found of every block is what its chain's maker wrote down.
pub(crate) fn assert_agrees(replay: &Replay, expected: &[Value], chain: &str) {
    let mut lines = Vec::new();
    replay.write_json(&mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), expected.len(), "{chain}");
    let parents: BTreeSet<_> = expected.iter().map(|block| block["parent_id"].as_str()).collect();
    for (line, block) in lines.lines().zip(expected) {
        let found: Value = serde_json::from_str(line).unwrap();
        for (field, value) in found.as_object().unwrap() {
            if field == "certified" {
                let is_root = block["block_id"] == expected[0]["block_id"];
                let has_child = parents.contains(&block["block_id"].as_str());
                assert_eq!(*value, is_root || has_child, "{chain} {line}");
            } else {
                assert_eq!(value, &block[field], "{chain}: {field} of {line}");
            }
        }
        assert_eq!(found.as_object().unwrap().len(), 19);
    }
}

#[bounded::test]
fn conflicting_finality_names_both_branches() {
    let folder = ChainFolder::open(chain_dir("conflicting-finality")).unwrap();
    let replay = Replay::run(&folder, Thoroughness::Unvouched).unwrap();
    let evidence = evidence_json(&replay.evidence);
    let conflict = &evidence["evidence"][0];
    assert_eq!(conflict["kind"], "conflicting_finality");
    assert_ne!(conflict["finalized"]["block_id"], conflict["conflicting"]["block_id"]);
}

/// Also the certificates of blocks without children, which no header carries.
#[bounded::test]
async fn every_certifying_qc_is_valid_under_its_own_committee_only() {
    for chain in CHAINS {
        let server = TestServer::start(chain).await.unwrap();
        let committees = committees(&server.prover);
        for block in expected(chain).unwrap() {
            let qc = certifying_qc(&block);
            let counter = block["committee_epoch_counter"].as_u64().unwrap();
            assert!(committees[&counter].verify_qc(&qc).is_ok(), "{chain} {block}");
            // An epoch recovered into may keep committee and keys of the one before it.
            let own: Vec<_> = committees[&counter].members().collect();
            let others =
                committees.values().filter(|other| other.members().ne(own.iter().copied()));
            for other in others.take(2) {
                assert!(other.verify_qc(&qc).is_err(), "{chain} {block}");
            }
        }
    }
}

#[bounded::test]
async fn a_batch_names_its_first_bad_certificate() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let committees = committees(&server.prover);
    let blocks = expected("happy-epochs").unwrap();
    let mut qcs: Vec<_> = blocks.iter().take(6).map(certifying_qc).collect();
    let committee = &committees[&7];
    let batch = |qcs: &[QuorumCertificate]| {
        verify_qcs(&qcs.iter().map(|qc| (committee, qc)).collect::<Vec<_>>())
    };
    batch(&qcs).unwrap();
    (qcs[2].sig_data, qcs[4].sig_data) = (qcs[4].sig_data.clone(), qcs[2].sig_data.clone());
    let failure = batch(&qcs).unwrap_err();
    assert_eq!(failure.index, 2);
    assert_eq!(failure.source, CertificateError::StakingSignature);
}

fn certifying_qc(block: &Value) -> QuorumCertificate {
    let qc = &block["certifying_qc"];
    let hex = |field: &str| {
        let text = qc[field].as_str().unwrap();
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
    };
    QuorumCertificate {
        view: qc["view"].as_u64().unwrap(),
        block_id: qc["block_id"].as_str().unwrap().parse().unwrap(),
        signer_indices: hex("signer_indices").collect(),
        sig_data: hex("sig_data").collect(),
    }
}

/// The committees of all epochs of a chain, by counter.
fn committees(prover: &Prover) -> BTreeMap<u64, Committee> {
    let mut committees = BTreeMap::new();
    for ordinal in 0..prover.head().blocks {
        let record = prover.block_at(ordinal).unwrap().record;
        committees.entry(record.epoch_counter).or_insert_with(|| {
            let state = prover.states().load(&record.protocol_state_id).unwrap();
            Committee::new(state.current_setup(), state.current_commit()).unwrap()
        });
    }
    committees
}
