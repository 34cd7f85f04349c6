//! Snapshot trees over a real socket: a client checks preimages and derives the root, a device that
//! holds the root and nothing else checks proofs against it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tonic::Code;
use tonic::transport::Channel;
use weir_client::sync::{ClockOptions, LightClient};
use weir_client::transport::{Server, TransportError, unix_ms};
use weir_integration_tests::programs::Program;
use weir_integration_tests::{TestServer, asking_tree};
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::tree_item::Item;
use weir_proto::weir::v1::{self, WholeTable};
use weir_protocol::evidence::Preimages;
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::ParticipationStatus;
use weir_protocol::request::{Depth, IdentityFilter, Question, Selector, Topic};
use weir_protocol::snapshot_tree::{
    Field, FieldValue, NodeIdentity, TreeAnswer, TreeError, TreeItem, TreeQuestion,
};
use weir_verifier::{
    Anchor, AnswerValue, IdentityAnswer, Missing, Rejection, Timing, TreeRoot, Trust, Violation,
    open, verify_tree,
};

use crate::adversary::proxy::{Call, Hostile};

fn now() -> Timing {
    ClockOptions::default().timing(unix_ms()).unwrap()
}

/// The root that a full client derives at a height, and the table it saw.
async fn full_client(server: &TestServer, height: u64) -> (TreeRoot, Vec<IdentityAnswer>) {
    let connection = Server::connect(&server.url()).await.unwrap();
    // Keeping evidence, so that what the answer builds on is still held after it.
    let mut client = LightClient::start_keeping_evidence(connection, server.root_id).await.unwrap();
    let topic = Topic::Identities(IdentityFilter::default());
    let question = Question { block: Selector::Height(height), topic };
    let outcome = client.ask(&question, Depth::Finality).await.unwrap();
    let anchor = Anchor::Trusted(client.trusted());
    let root = open(anchor, &question, &outcome.proof, &now()).unwrap().tree_root().unwrap();
    let AnswerValue::Identities(table) = outcome.answer.into_value().value else { panic!() };
    (root.into_value(), table)
}

/// A device: a connection, and a root it was given.
struct Device {
    server: Server,
    root: Identifier,
    block: Selector,
}

impl Device {
    async fn new(server: &TestServer, root: &TreeRoot) -> Self {
        let block = Selector::Id(root.block_id);
        let server = Server::connect(&server.url()).await.unwrap();
        Self { server, root: root.root, block }
    }

    async fn ask(&mut self, items: impl IntoIterator<Item = TreeItem>) -> (TreeAnswer, usize) {
        let question = TreeQuestion::new(items).unwrap();
        let request = asking_tree(self.block, &question);
        let proof = self.server.send(&request).await.unwrap().bytes;
        let answer = verify_tree(self.root, &question, &proof).unwrap();
        let mut altered = proof.clone();
        *altered.last_mut().unwrap() ^= 1;
        verify_tree(self.root, &question, &altered).unwrap_err();
        (answer.into_value(), proof.len())
    }
}

fn same(node: &NodeIdentity, expected: &IdentityAnswer) -> bool {
    node.skeleton == expected.skeleton && node.status == expected.status
}

#[bounded::test]
async fn a_device_with_the_root_alone_checks_what_a_full_client_sees() {
    let server = TestServer::start("wide-462-nodes").await.unwrap();
    let (root, table) = full_client(&server, 1020).await;
    assert!(root.trust >= Trust::Finalized && table.len() >= 462);
    let mut device = Device::new(&server, &root).await;
    let mut longest = 0;
    for expected in table.iter().step_by(23) {
        let node_id = expected.skeleton.node_id;
        let (answer, len) = device.ask([TreeItem::Node(node_id)]).await;
        assert!(same(answer.nodes[&node_id].as_ref().unwrap(), expected));
        longest = longest.max(len);
    }
    assert!(longest <= 700, "{longest}");
    let absent = Identifier([0x5a; 32]);
    let (answer, _) = device.ask([TreeItem::Node(absent)]).await;
    assert_eq!(answer.nodes[&absent], None);
    for role in Role::ALL {
        let (answer, _) = device.ask([TreeItem::Role(role)]).await;
        let expected: Vec<_> = table.iter().filter(|node| node.skeleton.role == role).collect();
        let found = &answer.roles[&role];
        assert_eq!(answer.role_counts.unwrap().of(role), found.len() as u64);
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(node, expected)| same(node, expected)));
    }
    let (answer, _) = device.ask([TreeItem::Table, TreeItem::Field(Field::NextSetupId)]).await;
    assert!(answer.table.unwrap().iter().zip(&table).all(|(node, row)| same(node, row)));
}

#[bounded::test]
async fn fields_and_participation_change_with_the_block() {
    let server = TestServer::start("ejection").await.unwrap();
    let (mut roots, mut ejected) = (Vec::new(), Vec::new());
    for height in [1001, 1040] {
        let (root, table) = full_client(&server, height).await;
        let mut device = Device::new(&server, &root).await;
        let fields = [Field::EpochCounter, Field::EpochPhase, Field::EpochStateId];
        let nodes = table.iter().map(|node| TreeItem::Node(node.skeleton.node_id));
        let (answer, _) = device.ask(nodes.chain(fields.map(TreeItem::Field))).await;
        assert!(matches!(answer.fields[&Field::EpochPhase], Some(FieldValue::Phase(_))));
        assert!(matches!(answer.fields[&Field::EpochStateId], Some(FieldValue::Id(_))));
        let nodes = answer.nodes.values().flatten();
        assert!(nodes.clone().zip(&table).all(|(node, row)| same(node, row)));
        ejected.push(nodes.filter(|node| node.status == ParticipationStatus::Ejected).count());
        roots.push(root);
    }
    assert!(ejected[0] < ejected[1], "{ejected:?}");
    // The proof from one state does not pass for the other.
    let mut device = Device::new(&server, &roots[0]).await;
    let question = TreeQuestion::new([TreeItem::Field(Field::Version)]).unwrap();
    let request = asking_tree(device.block, &question);
    let proof = device.server.send(&request).await.unwrap().bytes;
    let rejection = verify_tree(roots[1].root, &question, &proof).unwrap_err();
    let Rejection::Invalid(violation) = rejection else { panic!("{rejection}") };
    let Violation::Tree(TreeError::WrongRoot { expected, found }) = *violation else { panic!() };
    assert_eq!((expected, found), (roots[1].root, roots[0].root));
}

#[bounded::test]
async fn a_root_needs_the_setups_of_the_table() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut client = LightClient::start(connection, server.root_id).await.unwrap();
    let height = 1085;
    let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
    let outcome = client.ask(&question, Depth::Finality).await.unwrap();
    let anchor = Anchor::Trusted(client.trusted());
    // The summary's evidence and the epochs walked hold them; the answer's own does not.
    let root = open(anchor, &question, &outcome.proof, &now()).unwrap().tree_root().unwrap();
    assert_eq!(*root, full_client(&server, height).await.0);
    let mut own = outcome.proof.clone();
    let (mut kept, state) = (Preimages::default(), root.protocol_state_id);
    kept.insert(own.bundle.preimages.get(&state).unwrap().to_vec());
    own.bundle.preimages = kept;
    let stranger = client.trusted().clone().holding(Preimages::default());
    let anchor = Anchor::Trusted(&stranger);
    let opened = open(anchor, &question, &own, &now());
    let rejection = opened.and_then(|block| block.tree_root()).unwrap_err();
    assert!(matches!(rejection, Rejection::Missing(Missing::Preimage { .. })), "{rejection}");
}

#[bounded::test]
async fn requests_that_ask_nothing_or_what_does_not_exist_are_refused() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let mut client = SnapshotApiClient::new(channel);
    let block = v1::BlockSelector { selector: Some(v1::block_selector::Selector::Height(1010)) };
    let mut refused = async |items: Vec<Item>, expected: &str| {
        let items = items.into_iter().map(|item| v1::TreeItem { item: Some(item) }).collect();
        let request = v1::GetTreeProofRequest { block: Some(block.clone()), items };
        let status = client.get_tree_proof(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(expected), "no `{expected}` in {status:?}");
    };
    refused(vec![], "at least one item").await;
    refused(vec![Item::NodeId(vec![1; 31].into())], "items.node_id").await;
    refused(vec![Item::Role(6)], "items.role").await;
    refused(vec![Item::Field("epoch".into())], "no field of this name").await;
    refused(vec![Item::Table(WholeTable {}); 2049], "at most 2048 entries").await;
    let nodes = (0..1025u16).map(|number| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Item::NodeId(id.to_vec().into())
    });
    refused(nodes.collect(), "at most 1024 nodes").await;
    let mut server = Server::connect(&server.url()).await.unwrap();
    let question = TreeQuestion::new([TreeItem::Table]).unwrap();
    let request = asking_tree(Selector::Id(Identifier([7; 32])), &question);
    let unknown = server.send(&request).await;
    assert!(matches!(unknown, Err(TransportError::UnknownBlock { .. })), "{unknown:?}");
}

/// `weir tree --root`, which needs no checkpoint, asks one server after the other as everything else.
#[bounded::test]
async fn a_root_that_is_handed_over_is_asked_about_at_several_servers() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let (root, table) = full_client(&server, 1010).await;
    let (hostile, lying) = Hostile::start(&server).await;
    hostile.lie(Call::TreeProof, Arc::new(|proof| Ok(proof.slice(1..))));
    let node_id = table[0].skeleton.node_id;
    let ask = async |servers: &str| {
        let about = format!("--block {} --root {}", root.block_id, root.root);
        let all = format!("--server {servers} --json tree identity {node_id} {about}");
        Program::Client.run(all.split_whitespace()).await
    };
    // Nobody listens at the first one.
    let ran = ask(&format!("http://127.0.0.1:9,{lying},{}", server.url())).await;
    assert!(ran.stderr.contains(&format!("{lying} is not asked again")), "{ran:?}");
    assert_eq!(ran.json()["identities"][0]["node_id"], node_id.to_hex());
    let ran = ask(&lying).await;
    ran.expect(3, &["snapshot tree"]);
    hostile.stop_lying();
    assert_eq!(ask(&lying).await.json()["root"], root.root.to_hex());
    ask("http://127.0.0.1:9").await.expect(5, &["http://127.0.0.1:9"]);
}
