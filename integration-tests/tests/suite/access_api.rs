//! The Access API that Weir serves, against what flow-go made: blocks, snapshots, statuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use weir_access_api::AccessService;
use weir_admission::Workers;
use weir_dial::Dialer;
use weir_integration_tests::{CHAINS, TestServer, chain_dir, expected, frame, gunzip};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::flow::access::access_api_server::{AccessApi, AccessApiServer};
use weir_proto::flow::entities;
use weir_proto::frames::Frames;
use weir_protocol::codec::Entity as _;
use weir_protocol::model::Identifier;
use weir_server::access::AccessView;
use weir_server::api::{ApiOptions, UNVERIFIED_METADATA};

const CHAIN: &str = "happy-epochs";

async fn connect(url: String) -> AccessApiClient<Channel> {
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    AccessApiClient::new(channel).max_decoding_message_size(256 << 20)
}

fn reference_blocks(chain: &str) -> Vec<entities::Block> {
    let file = gunzip(chain, "blocks.pb.gz").unwrap();
    Frames::new(&file[..]).map(|block| block.unwrap()).collect()
}

async fn by_height(
    client: &mut AccessApiClient<Channel>,
    height: u64,
    full_block_response: bool,
) -> Result<access::BlockResponse, Status> {
    let request = access::GetBlockByHeightRequest { height, full_block_response };
    Ok(client.get_block_by_height(request).await?.into_inner())
}

#[bounded::test]
async fn full_blocks_are_flow_gos_message_for_message() {
    for chain in CHAINS {
        let server = TestServer::start(chain).await.unwrap();
        let mut client = connect(server.url()).await;
        let sealed = server.prover.head().sealed.height;
        let finalized: HashMap<String, bool> = expected(chain)
            .unwrap()
            .iter()
            .map(|row| (row["block_id"].as_str().unwrap().into(), row["finalized"] == true))
            .collect();
        for block in reference_blocks(chain) {
            let request =
                access::GetBlockByIdRequest { id: block.id.clone(), full_block_response: true };
            let response = client.get_block_by_id(request).await.unwrap().into_inner();
            let id = hex(&block.id);
            let status = response.block_status();
            assert_eq!(response.block.unwrap(), block, "{chain} {id}");
            // The server keeps the first of two conflicting branches.
            if chain != "conflicting-finality" {
                let expected = match finalized[&id] {
                    false => entities::BlockStatus::BlockUnknown,
                    true if block.height <= sealed => entities::BlockStatus::BlockSealed,
                    true => entities::BlockStatus::BlockFinalized,
                };
                assert_eq!(status, expected, "{chain} {id}");
            }
        }
    }
}

#[bounded::test]
async fn rebuilt_snapshots_are_flow_gos_but_for_proposer_signatures() {
    let mut answered = 0;
    for chain in CHAINS {
        let server = TestServer::start(chain).await.unwrap();
        let mut client = connect(server.url()).await;
        let names = std::fs::read_dir(chain_dir(chain)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter(|name| name.starts_with("snapshot-")) {
            let mut reference: Value = parse(&gunzip(chain, &name).unwrap());
            without_proposer_signatures(&mut reference);
            let head = unhex(reference["QuorumCertificate"]["BlockID"].as_str().unwrap());
            // Some of them are of blocks whose finality the chain ends too early to show.
            let view = AccessView::new(server.prover.clone()).unwrap();
            let id = Identifier::try_from(&head[..]).unwrap();
            let ordinal = server.prover.reader().ordinal_of(&id).unwrap().unwrap();
            let rebuilt = view.snapshot_of(ordinal).unwrap();
            assert!(parse(&rebuilt.to_json()) == reference, "{chain} {name}");
            if server.prover.reader().finalized_at(rebuilt.head().header.height).unwrap()
                != Some(ordinal)
            {
                continue;
            }
            answered += 1;
            let block_height = rebuilt.head().header.height;
            let request = access::GetProtocolStateSnapshotByHeightRequest { block_height };
            let response = client.get_protocol_state_snapshot_by_height(request).await.unwrap();
            assert!(parse(&response.into_inner().serialized_snapshot) == reference);
            let block_id = head.into();
            let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
            let response = client.get_protocol_state_snapshot_by_block_id(request).await.unwrap();
            assert!(parse(&response.into_inner().serialized_snapshot) == reference);
        }
        // At the root, the snapshot that the chain came with.
        let root: Value = parse(&gunzip(chain, "root-protocol-state-snapshot.json.gz").unwrap());
        let request = access::GetProtocolStateSnapshotByBlockIdRequest {
            block_id: server.root_id.0.to_vec().into(),
        };
        let response = client.get_protocol_state_snapshot_by_block_id(request).await.unwrap();
        assert!(parse(&response.into_inner().serialized_snapshot) == root);
    }
    assert!(answered >= 4, "{answered}");
}

#[bounded::test]
async fn a_server_can_start_from_a_rebuilt_snapshot() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let request = access::GetLatestProtocolStateSnapshotRequest {};
    let response = client.get_latest_protocol_state_snapshot(request).await.unwrap().into_inner();
    let json = response.serialized_snapshot;
    let snapshot = weir_protocol::codec::snapshot::Snapshot::from_json(&json).unwrap();
    let head = server.prover.head();
    assert_eq!(snapshot.head().header.id(), head.finalized.id);
    assert!(weir_server::ingest::Chain::from_snapshot(&snapshot, 10).is_ok());
    assert_eq!(response.metadata.unwrap().latest_finalized_height, head.finalized.height);
}

#[bounded::test]
async fn latest_blocks_headers_and_light_blocks() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let head = server.prover.head();
    for (is_sealed, latest, status) in [
        (true, head.sealed, entities::BlockStatus::BlockSealed),
        (false, head.finalized, entities::BlockStatus::BlockFinalized),
    ] {
        let request = access::GetLatestBlockRequest { is_sealed, full_block_response: true };
        let full = client.get_latest_block(request).await.unwrap().into_inner();
        assert_eq!(full.block_status(), status);
        let full = full.block.unwrap();
        assert_eq!(full.id[..], latest.id.0);
        let request = access::GetLatestBlockHeaderRequest { is_sealed };
        let header = client.get_latest_block_header(request).await.unwrap().into_inner();
        assert_eq!(header.block, full.block_header);
        assert_eq!(header.block_status(), status);
        let request = access::GetBlockHeaderByHeightRequest { height: latest.height };
        let same = client.get_block_header_by_height(request).await.unwrap().into_inner();
        assert_eq!(same.block, full.block_header);
        let light = by_height(&mut client, latest.height, false).await.unwrap().block.unwrap();
        let expected = entities::Block {
            block_header: None,
            block_seals: Vec::new(),
            execution_receipt_meta_list: Vec::new(),
            execution_result_list: Vec::new(),
            protocol_state_id: Vec::new().into(),
            ..full
        };
        assert_eq!(light, expected);
    }
    let info = client.get_node_version_info(access::GetNodeVersionInfoRequest {}).await.unwrap();
    let info = info.into_inner().info.unwrap();
    assert_eq!(info.spork_id[..], head.chain.spork_id.0);
    assert_eq!((info.spork_root_block_height, info.protocol_state_version), (1000, 2));
    let parameters = client.get_network_parameters(access::GetNetworkParametersRequest {}).await;
    assert_eq!(parameters.unwrap().into_inner().chain_id, "flow-localnet");
    client.ping(access::PingRequest {}).await.unwrap();
}

#[bounded::test]
async fn a_store_that_begins_in_the_middle_knows_what_is_sealed_below() {
    let dir = tempfile::tempdir().unwrap();
    let json = gunzip(CHAIN, "snapshot-1-height-1042.json.gz").unwrap();
    let snapshot = weir_protocol::codec::snapshot::Snapshot::from_json(&json).unwrap();
    std::fs::write(dir.path().join("root-protocol-state-snapshot.json"), &json).unwrap();
    let root = frame(&weir_proto::convert::block_to_wire(snapshot.head()));
    std::fs::write(dir.path().join("blocks.pb"), root).unwrap();
    let server = TestServer::over(dir.path(), ApiOptions::default()).await.unwrap();
    let mut client = connect(server.url()).await;
    let request = access::GetLatestBlockHeaderRequest { is_sealed: true };
    let sealed = client.get_latest_block_header(request).await.unwrap().into_inner();
    assert_eq!(sealed.block.as_ref().unwrap().height, 1040);
    assert_eq!(sealed.block_status(), entities::BlockStatus::BlockSealed);
    let root = by_height(&mut client, 1042, true).await.unwrap();
    assert_eq!(root.block_status(), entities::BlockStatus::BlockFinalized);
    let request = access::GetLatestProtocolStateSnapshotRequest {};
    let again = client.get_latest_protocol_state_snapshot(request).await.unwrap().into_inner();
    assert!(parse(&again.serialized_snapshot) == parse(&json), "proposer signatures included");
}

#[bounded::test]
async fn results_of_sealed_blocks_and_none_of_others() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let head = server.prover.head();
    let results: HashMap<Vec<u8>, entities::ExecutionResult> = reference_blocks(CHAIN)
        .into_iter()
        .flat_map(|block| block.execution_result_list)
        .map(|result| (result.block_id.to_vec(), result))
        .collect();
    for height in 1001..=head.finalized.height {
        let id = by_height(&mut client, height, false).await.unwrap().block.unwrap().id;
        let request = access::GetExecutionResultForBlockIdRequest {
            block_id: id.clone(),
            ..Default::default()
        };
        let response = client.get_execution_result_for_block_id(request).await;
        if height > head.sealed.height {
            assert_eq!(response.unwrap_err().code(), Code::NotFound);
            continue;
        }
        let result = response.unwrap().into_inner().execution_result.unwrap();
        assert_eq!(result, results[&id.to_vec()]);
        let result_id = result_id(&result);
        let request =
            access::GetExecutionResultByIdRequest { id: result_id.into(), ..Default::default() };
        let response = client.get_execution_result_by_id(request).await.unwrap().into_inner();
        assert_eq!(response.execution_result.unwrap(), result);
    }
    let request =
        access::GetExecutionResultByIdRequest { id: vec![7; 32].into(), ..Default::default() };
    let status = client.get_execution_result_by_id(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

/// The words are those that flow-go v0.46.0 said when its storage and its handlers were asked.
#[bounded::test]
async fn what_is_not_there_is_told_as_flow_go_tells_it() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let head = server.prover.head();
    let unknown = Identifier([7; 32]);
    let id = || unknown.0.to_vec().into();
    let no_resource = "could not retrieve resource: key not found";

    let request = access::GetBlockHeaderByIdRequest { id: id() };
    let status = client.get_block_header_by_id(request).await.unwrap_err();
    told(&status, Code::NotFound, &format!("not found: {no_resource}"));
    let request = access::GetBlockByIdRequest { id: id(), ..Default::default() };
    let status = client.get_block_by_id(request).await.unwrap_err();
    let block = format!("not found: could not retrieve header: {no_resource}");
    told(&status, Code::NotFound, &block);
    for (height, why) in [
        (head.finalized.height + 1, ""),
        (
            999,
            "block height 999 is less than the spork root block height 1000. Try to use a \
             historic node: ",
        ),
    ] {
        let message = format!(
            "not found: {why}failed to retrieve block ID for height {height}: {no_resource}"
        );
        let status = by_height(&mut client, height, true).await.unwrap_err();
        told(&status, Code::NotFound, &message);
        let request = access::GetBlockHeaderByHeightRequest { height };
        let status = client.get_block_header_by_height(request).await.unwrap_err();
        told(&status, Code::NotFound, &message);
    }
    let request = access::GetExecutionResultByIdRequest { id: id(), ..Default::default() };
    let status = client.get_execution_result_by_id(request).await.unwrap_err();
    told(&status, Code::NotFound, &format!("not found: {no_resource}"));
    let unsealed = head.finalized.id;
    for block_id in [unknown, unsealed] {
        let message =
            format!("not found: failed to retrieve seal for block {block_id}: key not found");
        let block_id = block_id.0.to_vec().into();
        let request =
            access::GetExecutionResultForBlockIdRequest { block_id, ..Default::default() };
        let status = client.get_execution_result_for_block_id(request).await.unwrap_err();
        told(&status, Code::NotFound, &message);
    }
}

#[bounded::test]
async fn snapshots_that_are_not_given_are_told_as_flow_go_tells_it() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let head = server.prover.head();
    let rows = expected(CHAIN).unwrap();
    let is_orphan = |row: &&Value| {
        row["finalized"] == false && row["height"].as_u64().unwrap() < head.finalized.height
    };
    let orphan = rows.iter().find(is_orphan).unwrap()["block_id"].as_str().unwrap();
    let last = rows.last().unwrap();
    let pending = format!(
        "failed to retrieve snapshot for block with height {}: block not finalized and is above \
         finalized height",
        last["height"]
    );
    let orphaned = "failed to retrieve snapshot for block: block not finalized and is below \
                    finalized height";
    for (block_id, code, message) in [
        (unhex(orphan), Code::InvalidArgument, orphaned),
        (unhex(last["block_id"].as_str().unwrap()), Code::FailedPrecondition, &pending),
        (vec![3; 32], Code::NotFound, "failed to get a valid snapshot: block not found"),
    ] {
        let block_id = block_id.into();
        let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
        let status = client.get_protocol_state_snapshot_by_block_id(request).await.unwrap_err();
        told(&status, code, message);
    }
    let block_height = head.finalized.height + 1;
    let request = access::GetProtocolStateSnapshotByHeightRequest { block_height };
    let status = client.get_protocol_state_snapshot_by_height(request).await.unwrap_err();
    let message = format!(
        "failed to find snapshot: unknown finalized height {block_height}: reference block of the \
         snapshot is not resolvable"
    );
    told(&status, Code::NotFound, &message);
}

/// Blocks and headers are asked for by 32 bytes; snapshots and results by any, filled up or cut off.
#[bounded::test]
async fn ids_of_other_lengths_are_taken_as_flow_go_takes_them() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let root = server.root_id.0;
    let short = "invalid block id: rpc error: code = InvalidArgument desc = invalid block id";
    for bytes in [Vec::new(), root[..31].to_vec(), [&root[..], &[0]].concat()] {
        let request = access::GetBlockHeaderByIdRequest { id: bytes.clone().into() };
        let status = client.get_block_header_by_id(request).await.unwrap_err();
        told(&status, Code::InvalidArgument, short);
        let request = access::GetBlockByIdRequest { id: bytes.into(), ..Default::default() };
        let status = client.get_block_by_id(request).await.unwrap_err();
        told(&status, Code::InvalidArgument, short);
    }
    let mut snapshot = async |block_id: Vec<u8>| {
        let block_id = block_id.into();
        let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
        client.get_protocol_state_snapshot_by_block_id(request).await.map(|_| ())
    };
    snapshot([&root[..], &[1, 2]].concat()).await.unwrap();
    let status = snapshot(root[..31].to_vec()).await.unwrap_err();
    told(&status, Code::NotFound, "failed to get a valid snapshot: block not found");
    let mut filled = root;
    filled[31] = 0;
    let message = format!(
        "not found: failed to retrieve seal for block {}: key not found",
        Identifier(filled)
    );
    let block_id = root[..31].to_vec().into();
    let request = access::GetExecutionResultForBlockIdRequest { block_id, ..Default::default() };
    let status = client.get_execution_result_for_block_id(request).await.unwrap_err();
    told(&status, Code::NotFound, &message);
}

#[bounded::test]
async fn subscriptions_that_cannot_start_are_told_as_flow_go_tells_it() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let finalized = entities::BlockStatus::BlockFinalized.into();
    let mut from_height = async |start_block_height, block_status| {
        let request = access::SubscribeBlockHeadersFromStartHeightRequest {
            start_block_height,
            block_status,
        };
        client.subscribe_block_headers_from_start_height(request).await.unwrap_err()
    };
    let stream = "stream encountered an error: rpc error: code =";
    let height = "could not get start height from block height";
    told(
        &from_height(1000, 0).await,
        Code::InvalidArgument,
        "block status is unknown. Possible variants: BLOCK_FINALIZED, BLOCK_SEALED",
    );
    told(
        &from_height(999, finalized).await,
        Code::InvalidArgument,
        &format!(
            "{stream} InvalidArgument desc = {height}: start height must be greater than or \
             equal to the root height 1000"
        ),
    );
    told(
        &from_height(9_000, finalized).await,
        Code::NotFound,
        &format!(
            "{stream} NotFound desc = {height}: not found: could not get header for height 9000: \
             failed to retrieve block ID for height 9000: could not retrieve resource: key not \
             found"
        ),
    );
    let mut from_id = async |start_block_id: Vec<u8>| {
        let start_block_id = start_block_id.into();
        let request = access::SubscribeBlockDigestsFromStartBlockIdRequest {
            start_block_id,
            block_status: finalized,
        };
        client.subscribe_block_digests_from_start_block_id(request).await.unwrap_err()
    };
    told(&from_id(vec![7; 31]).await, Code::InvalidArgument, "invalid block id");
    let unknown = Identifier([7; 32]);
    told(
        &from_id(vec![7; 32]).await,
        Code::NotFound,
        &format!(
            "{stream} NotFound desc = could not get start height from block id: not found: could \
             not get header for block {unknown}: could not retrieve resource: key not found"
        ),
    );
}

#[track_caller]
fn told(status: &Status, code: Code, message: &str) {
    assert_eq!((status.code(), status.message()), (code, message));
}

#[bounded::test]
async fn subscriptions_give_every_block_once_in_order() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let head = server.prover.head();
    let finalized = entities::BlockStatus::BlockFinalized.into();
    let sealed = entities::BlockStatus::BlockSealed.into();
    let request = access::SubscribeBlocksFromStartHeightRequest {
        start_block_height: 1000,
        block_status: finalized,
        full_block_response: true,
    };
    let mut blocks = client.subscribe_blocks_from_start_height(request).await.unwrap().into_inner();
    // The root itself is skipped.
    for height in 1001..=head.finalized.height {
        let block = blocks.message().await.unwrap().unwrap().block.unwrap();
        assert_eq!(block, by_height(&mut client, height, true).await.unwrap().block.unwrap());
    }
    let request = access::SubscribeBlockHeadersFromLatestRequest { block_status: finalized };
    let stream = client.subscribe_block_headers_from_latest(request).await.unwrap();
    let mut headers = stream.into_inner();
    for height in head.sealed.height..=head.finalized.height {
        let header = headers.message().await.unwrap().unwrap().header.unwrap();
        assert_eq!(header.height, height);
    }
    let request = access::SubscribeBlockDigestsFromStartBlockIdRequest {
        start_block_id: head.sealed.id.0.to_vec().into(),
        block_status: sealed,
    };
    let stream = client.subscribe_block_digests_from_start_block_id(request).await.unwrap();
    let digest = stream.into_inner().message().await.unwrap().unwrap();
    assert_eq!(digest.block_id[..], head.sealed.id.0);
    assert_eq!(digest.block_height, head.sealed.height);
}

#[bounded::test(start_paused = true)]
async fn a_reader_of_blocks_that_is_too_slow_is_told() {
    let server = TestServer::start("thirty-epochs").await.unwrap();
    let (_lasts, ended) = watch::channel(false);
    let view = AccessView::new(server.prover.clone()).unwrap();
    let service = AccessService::new(view, Workers::by_cores(), ended);
    let request = access::SubscribeBlockHeadersFromStartHeightRequest {
        start_block_height: server.prover.head().first_height,
        block_status: entities::BlockStatus::BlockFinalized.into(),
    };
    let opened = service.subscribe_block_headers_from_start_height(Request::new(request)).await;
    let mut headers = opened.unwrap().into_inner();
    assert!(headers.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let rest: Vec<_> = headers.collect().await;
    let (last, made) = rest.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap_err().code(), Code::DeadlineExceeded);
    assert!(made.len() <= 11, "{} messages were kept", made.len());
}

/// An access node that knows one thing.
struct Upstream;

#[tonic::async_trait]
impl AccessApi for Upstream {
    async fn get_transaction(
        &self,
        request: Request<access::GetTransactionRequest>,
    ) -> Result<tonic::Response<access::TransactionResponse>, Status> {
        let script = request.into_inner().id;
        let transaction = Some(entities::Transaction { script, ..Default::default() });
        Ok(tonic::Response::new(access::TransactionResponse { transaction, metadata: None }))
    }
}

#[bounded::test]
async fn other_methods_are_passed_on_and_marked_or_refused() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let mut client = connect(server.url()).await;
    let request = || access::GetTransactionRequest { id: vec![5; 32].into(), ..Default::default() };
    let refused = client.get_transaction(request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("--pass-on"), "{refused}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let serving = tonic::transport::Server::builder()
        .add_service(AccessApiServer::new(Upstream))
        .serve_with_incoming(incoming);
    let serving = tokio::spawn(serving);
    let pass_on = Some(Dialer::default().channel(&upstream.parse().unwrap()));
    let options = ApiOptions { pass_on, ..Default::default() };
    let server = TestServer::start_with(CHAIN, options).await.unwrap();
    let mut client = connect(server.url()).await;
    let response = client.get_transaction(request()).await.unwrap();
    assert_eq!(response.metadata().get(UNVERIFIED_METADATA).unwrap(), "true");
    assert_eq!(response.into_inner().transaction.unwrap().script[..], [5; 32]);
    // What Weir answers itself is not marked, and not asked of the upstream.
    let own = client.ping(access::PingRequest {}).await.unwrap();
    assert!(own.metadata().get(UNVERIFIED_METADATA).is_none());
    serving.abort();
    let gone = client.get_account(access::GetAccountRequest::default()).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unimplemented, "the stub has no accounts: {gone}");
}

fn result_id(result: &entities::ExecutionResult) -> Vec<u8> {
    weir_proto::convert::result_from_wire(result).unwrap().id().0.to_vec()
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

fn without_proposer_signatures(snapshot: &mut Value) {
    for list in ["Blocks", "ExtraBlocks"] {
        for block in snapshot["SealingSegment"][list].as_array_mut().unwrap() {
            block["ProposerSigData"] = Value::Null;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
