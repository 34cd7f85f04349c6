//! What is honest is read as before, also where it is the largest there is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use prost::Message as _;
use weir_memory::check;
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_proto::memory;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::model::{
    AggregatedSignature, Block, ByteStrings, ClusterQcVoteData, EpochCommit, EpochSetup,
    ExecutionReceiptStub, ExecutionResult, Header, Identifier, IdentitySkeleton, Payload, Role,
    Seal, ServiceEvent, VersionBeacon, VersionBoundary,
};

fn id(number: usize) -> Identifier {
    let mut id = Identifier([7; 32]);
    id.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
    id
}

fn node(number: usize) -> IdentitySkeleton {
    IdentitySkeleton {
        node_id: id(number),
        address: String::new(),
        role: Role::Access,
        initial_weight: 0,
        staking_key: None,
        network_key: None,
    }
}

fn setup(nodes: usize, clusters: usize) -> EpochSetup {
    EpochSetup {
        participants: (0..nodes).map(node).collect(),
        assignments: vec![vec![]; clusters].into(),
        ..EpochSetup::default()
    }
}

/// Reads an event's JSON and RLP, and finds what was written.
fn check_event(name: &str, event: &ServiceEvent) {
    let json = event.to_json();
    let read = || ServiceEvent::from_json(event.type_name(), &json);
    check(&format!("json of {name}"), json.len(), || read().is_ok());
    assert_eq!(&read().unwrap(), event);
    let rlp = event.to_rlp();
    let own = ServiceEvent::decode(event.type_name(), &mut Decoder::own(&rlp));
    assert_eq!(own.as_ref(), Ok(event), "{name}");
}

/// What an execution node alone decides, and consensus nodes include: up to eight megabytes of it.
#[bounded::test]
fn events_as_flow_go_writes_them_are_read_whatever_is_in_them() {
    let setup = |nodes, clusters| ServiceEvent::EpochSetup(setup(nodes, clusters).into());
    check_event("a thousand nodes", &setup(1000, 10));
    check_event("nodes without keys", &setup(40_000, 0));
    check_event("empty clusters", &setup(0, 2_000_000));
    let participants = vec![None; 1_500_000].into_iter().collect();
    let nil = EpochSetup { participants, ..EpochSetup::default() };
    check_event("nil participants", &ServiceEvent::EpochSetup(nil.into()));
    let boundary = VersionBoundary { block_height: 0, version: String::new() };
    let version_boundaries = vec![boundary; 200_000];
    let beacon = VersionBeacon { version_boundaries, sequence: 0 };
    check_event("boundaries", &ServiceEvent::VersionBeacon(beacon));
    // The group's key is any point of the curve: a node's from the vectors would do as well.
    let mut group_key = [0; 96];
    group_key[0] = 0xc0;
    let commit = EpochCommit {
        counter: 0,
        cluster_qcs: vec![ClusterQcVoteData::default(); 200_000],
        dkg_group_key: group_key,
        dkg_participant_keys: Vec::new(),
        dkg_member_ids: Vec::new(),
    };
    check_event("cluster certificates", &ServiceEvent::EpochCommit(commit.into()));
}

fn header() -> Header {
    Header {
        chain_id: "flow-localnet".into(),
        parent_id: id(1),
        height: 7,
        payload_hash: id(2),
        timestamp_ms: 8,
        view: 9,
        parent_view: 8,
        parent_voter_indices: vec![1; 10],
        parent_voter_sig_data: vec![2; 200],
        proposer_id: id(3),
        last_view_tc_id: Identifier::ZERO,
    }
}

/// A block of a hundred emergency seals, and one whose receipt has millions of empty proofs.
#[bounded::test]
fn blocks_that_consensus_nodes_accept_are_read() {
    let empty =
        AggregatedSignature { verifier_signatures: ByteStrings::default(), signer_ids: Vec::new() };
    let seal = |number| Seal {
        block_id: id(number),
        result_id: id(number),
        final_state: id(number),
        aggregated_approval_sigs: vec![empty.clone(); 100],
    };
    let seals: Vec<_> = (0..100).map(seal).collect();
    for seal in &seals {
        assert_eq!(Seal::decode(&mut Decoder::new(&seal.to_rlp())).as_ref(), Ok(seal));
    }
    let receipt = ExecutionReceiptStub {
        executor_id: id(1),
        result_id: id(2),
        spocks: vec![vec![]; 5_000_000].into_iter().collect(),
        executor_signature: vec![3; 48],
    };
    let result = ExecutionResult {
        previous_result_id: id(1),
        block_id: id(2),
        chunks: Vec::new(),
        service_events: Vec::new(),
        execution_data_id: id(3),
    };
    let payload = Payload {
        guarantees: Vec::new(),
        seals,
        receipts: vec![receipt],
        results: vec![result],
        protocol_state_id: id(4),
    };
    let block =
        Block { header: header(), last_view_tc: None, proposer_sig_data: vec![4; 48], payload };
    let bytes = Bytes::from(block_to_wire(&block).encode_to_vec());
    check("block with proofs", bytes.len(), || {
        memory::decode::<entities::Block>(bytes.clone()).is_ok()
    });
    let wire: entities::Block = memory::decode(bytes).unwrap();
    assert_eq!(block_from_wire(wire).unwrap(), block);
}
