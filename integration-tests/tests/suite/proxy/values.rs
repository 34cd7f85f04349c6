//! Typed values, states of clients, and the surroundings: equal to the server's.

use tonic::Code;
use tonic::transport::Channel;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{Server, Servers};
use weir_integration_tests::proxy::TestProxy;
use weir_integration_tests::{CHAINS, TestServer, expected};
use weir_proto::weir::v1;
use weir_proto::weir::v1::block_selector::Selector as Wire;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_protocol::model::Identifier;
use weir_protocol::protocol_state::EpochName;
use weir_protocol::request::{Depth, IdentityFilter, Question, Selector, Topic};
use weir_verifier::Trust;

const CHAIN: &str = "happy-epochs";

async fn raw(url: String) -> SnapshotApiClient<Channel> {
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    SnapshotApiClient::new(channel).max_decoding_message_size(64 << 20)
}

fn about(selector: Wire) -> Option<v1::Question> {
    let block = Some(v1::BlockSelector { selector: Some(selector) });
    Some(v1::Question { block, ..Default::default() })
}

/// Asks both the same, and compares all of the answers: values, evidence, or status.
macro_rules! same {
    ($method:ident, $direct:expr, $relayed:expr, $request:expr, $about:expr) => {{
        let (expected, found) = ($direct.$method($request).await, $relayed.$method($request).await);
        match (expected, found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(found.into_inner(), expected.into_inner(), "{}", $about);
            }
            (Err(expected), Err(found)) => {
                assert_eq!(found.code(), expected.code(), "{}: {found}", $about);
                assert_eq!(found.message(), expected.message(), "{}", $about);
                assert_eq!(found.details(), expected.details(), "{}", $about);
            }
            (expected, found) => panic!("{}: {expected:?} and {found:?}", $about),
        }
    }};
}

#[bounded::test]
async fn typed_values_are_the_servers_on_every_chain() {
    for chain in CHAINS {
        let server = TestServer::start(chain).await.unwrap();
        let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
        let (mut direct, mut relayed) = (raw(server.url()).await, raw(proxy.url()).await);
        let head = server.prover.head();
        let last = server.prover.block_at(head.blocks - 1).unwrap().block_id;
        let middle = (head.first_height + head.finalized.height) / 2;
        let state = server.prover.block_at(0).unwrap().record.protocol_state_id;
        let state = server.prover.states().load(&state).unwrap();
        let node_id = state.current_setup().participants[0].node_id.0.to_vec();
        for selector in [
            Wire::LatestFinalized(v1::LatestFinalized {}),
            Wire::LatestSealed(v1::LatestSealed {}),
            Wire::Height(middle),
            Wire::BlockId(last.0.to_vec().into()),
        ] {
            let question = || about(selector.clone());
            let about = format!("{chain} {selector:?}");
            let request = || v1::GetSnapshotRequest { question: question() };
            same!(get_snapshot, direct, relayed, request(), about);
            for node_id in [node_id.clone(), vec![9; 32], vec![9; 31]] {
                let node_id: prost::bytes::Bytes = node_id.into();
                let request =
                    || v1::GetIdentityRequest { question: question(), node_id: node_id.clone() };
                same!(get_identity, direct, relayed, request(), about);
            }
            let request = || v1::ListIdentitiesRequest {
                question: question(),
                roles: vec![v1::Role::Consensus.into(), v1::Role::Access.into()],
                ..Default::default()
            };
            same!(list_identities, direct, relayed, request(), about);
            for epoch in 0..4 {
                let request = || v1::GetEpochRequest { question: question(), epoch };
                same!(get_epoch, direct, relayed, request(), about);
            }
            let request = || v1::GetSealRequest { question: question() };
            same!(get_seal, direct, relayed, request(), about);
            let request = || v1::GetExecutionResultRequest { question: question() };
            same!(get_execution_result, direct, relayed, request(), about);
        }
        let request = || v1::GetServerInfoRequest {};
        same!(get_server_info, direct, relayed, request(), chain);
    }
}

/// What the server knows of its root and nothing proves is left out.
#[bounded::test]
async fn what_no_evidence_proves_is_no_value() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let (mut direct, mut relayed) = (raw(server.url()).await, raw(proxy.url()).await);
    let request = || v1::GetSnapshotRequest { question: about(Wire::Height(1000)) };
    let server = direct.get_snapshot(request()).await.unwrap().into_inner().snapshot.unwrap();
    let proxy = relayed.get_snapshot(request()).await.unwrap().into_inner().snapshot.unwrap();
    assert_eq!(server.last_sealed_block_id.len(), 32);
    assert!(proxy.last_sealed_block_id.is_empty());
    let last_sealed_block_id = Default::default();
    assert_eq!(proxy, v1::Snapshot { last_sealed_block_id, ..server });
}

fn id(row: &serde_json::Value) -> Identifier {
    row["block_id"].as_str().unwrap().parse().unwrap()
}

/// Cold and warm clients from early and late checkpoints ask for early and late blocks.
#[bounded::test]
async fn clients_of_every_age_are_served() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let blocks = expected(CHAIN).unwrap();
    let final_blocks: Vec<_> = blocks.iter().filter(|row| row["finalized"] == true).collect();
    let late = id(final_blocks[final_blocks.len() - 20]);
    let middle = id(final_blocks[final_blocks.len() / 2]);
    for own in [server.root_id, middle, late] {
        let proxy = TestProxy::start([server.url()], own).await.unwrap();
        for checkpoint in [server.root_id, middle, late] {
            let mut relayed = client(&proxy.url(), checkpoint).await;
            let mut direct = client(&server.url(), checkpoint).await;
            for round in ["cold", "warm"] {
                for (height, topic) in [
                    (1001, Topic::Snapshot),
                    (1040, Topic::Seal),
                    (1080, Topic::ExecutionResult),
                    (1001, Topic::Identities(IdentityFilter::default())),
                    (1080, Topic::Epoch(EpochName::Next)),
                ] {
                    let question = Question { block: Selector::Height(height), topic };
                    for proof in [Depth::Seal, Depth::Finality] {
                        let expected = direct.ask(&question, proof).await;
                        let found = relayed.ask(&question, proof).await;
                        let at = format!("{own} {checkpoint} {question:?} {round}");
                        match (expected, found) {
                            (Ok(expected), Ok(found)) => {
                                assert_eq!(found.answer, expected.answer, "{at}");
                                assert_eq!(found.proof, expected.proof, "{at}");
                            }
                            (Err(AskError::Transport(_)), Err(AskError::Transport(_))) => {}
                            // The seal may lie in an epoch after the newest that the client knows.
                            (
                                Err(AskError::Rejected { rejection: expected, .. }),
                                Err(AskError::Rejected { rejection: found, .. }),
                            ) => assert_eq!(found, expected, "{at}"),
                            (expected, found) => panic!("{at}: {expected:?} and {found:?}"),
                        }
                    }
                }
                let expected = direct.sync(|_, _| ()).await.unwrap();
                let found = relayed.sync(|_, _| ()).await.unwrap();
                assert_eq!(found.answer, expected.answer);
                assert_eq!(relayed.trusted().to_bytes(), direct.trusted().to_bytes());
            }
        }
    }
}

async fn client(url: &str, checkpoint: Identifier) -> LightClient {
    LightClient::start(Server::connect(url).await.unwrap(), checkpoint).await.unwrap()
}

/// Hash links to the client's head, from proxies that meet the client for the first time.
#[bounded::test]
async fn links_lead_to_the_head_that_the_client_holds() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = client(&server.url(), server.root_id).await;
    for height in [1042, 1085] {
        let head = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        client.ask(&head, Depth::Seal).await.unwrap();
        let trusted = client.trusted().clone();
        for below in [1005, height - 1, height] {
            let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
            let servers = Servers::new([proxy.url()]).unwrap();
            let mut moved = LightClient::resume(servers, trusted.clone());
            for proof in [Depth::Linked, Depth::Seal, Depth::Linked] {
                let block = Selector::Height(below);
                let question = Question { block, topic: Topic::Snapshot };
                let found = moved.ask(&question, proof).await.unwrap();
                assert!(found.answer.trust >= Trust::Finalized);
                let direct = Servers::new([server.url()]).unwrap();
                let mut direct = LightClient::resume(direct, trusted.clone());
                let expected = direct.ask(&question, proof).await.unwrap();
                assert_eq!(found.answer, expected.answer, "{height} {below} {proof:?}");
            }
        }
    }
}

/// A client that knows the block needs no checkpoint, and is told nothing that is not proved.
#[bounded::test]
async fn known_blocks_and_clients_without_a_checkpoint() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let blocks = expected(CHAIN).unwrap();
    let late = id(blocks.iter().rfind(|row| row["finalized"] == true).unwrap());
    for own in [server.root_id, late] {
        let proxy = TestProxy::start([server.url()], own).await.unwrap();
        let (mut direct, mut relayed) = (raw(server.url()).await, raw(proxy.url()).await);
        for row in [&blocks[5], &blocks[60], &blocks[blocks.len() - 1]] {
            for proof in [Depth::KnownBlock, Depth::Finality, Depth::Seal] {
                let question = || {
                    let question = about(Wire::BlockId(id(row).0.to_vec().into()));
                    question.map(|question| v1::Question {
                        proof: i32::try_from(proof.number()).unwrap(),
                        ..question
                    })
                };
                let at = format!("{own} {row} {proof:?}");
                let request = || v1::GetSnapshotRequest { question: question() };
                same!(get_snapshot, direct, relayed, request(), at);
                let request = || v1::GetSealRequest { question: question() };
                same!(get_seal, direct, relayed, request(), at);
                let request = || v1::GetExecutionResultRequest { question: question() };
                same!(get_execution_result, direct, relayed, request(), at);
            }
        }
    }
}

#[bounded::test]
async fn pages_are_served_and_other_methods_refused() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let selector = Wire::LatestFinalized(v1::LatestFinalized {});
    let request = v1::GetSnapshotRequest { question: about(selector) };
    let (head, message) = crate::grpc_web::ask_at(proxy.address, &request).await;
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let direct = raw(server.url()).await.get_snapshot(request).await.unwrap().into_inner();
    assert_eq!(message, direct);
    let channel = Channel::from_shared(proxy.url()).unwrap().connect().await.unwrap();
    let mut access =
        weir_proto::flow::access::access_api_client::AccessApiClient::new(channel.clone());
    let refused = access.ping(weir_proto::flow::access::PingRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().starts_with("Ping is not answered by a proxy"), "{refused}");
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let service = "weir.v1.SnapshotAPI".to_owned();
    let check = tonic_health::pb::HealthCheckRequest { service };
    assert_eq!(health.check(check).await.unwrap().into_inner().status, 1);
}
