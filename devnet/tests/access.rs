//! The Access API of a network, over a real connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use weir_devnet::config::{Chances, EpochConfig, RootConfig};
use weir_devnet::{
    BlockTime, Command, Config, Keep, Live, Network, NodeName, Trigger, access as devnet_access,
};
use weir_proto::convert::{block_to_wire, light_block_to_wire, result_to_wire};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::flow::entities::{self, BlockStatus};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{Identifier, Role};

type Client = AccessApiClient<Channel>;

/// A network that serves, and a client of it.
struct Served {
    live: Arc<Live>,
    client: Client,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

fn config() -> Config {
    Config {
        seed: 5,
        epochs: EpochConfig::of_length(80),
        chances: Chances { fork_per_mille: 60, timeout_per_mille: 60, view_gap_per_mille: 40 },
        root: RootConfig { height: 100, view: 500, epoch_counter: 3, ..Config::default().root },
        ..Config::default()
    }
}

async fn serve(config: Config, keep: Keep, blocks: u64) -> Served {
    let live = Live::new(Network::new(config).unwrap(), keep);
    live.advance(blocks).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (end, ended) = oneshot::channel();
    let network = Arc::clone(&live);
    let serving = tokio::spawn(async move {
        let ended = async {
            // A test that does not end the server leaves that to its runtime.
            if ended.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        devnet_access::serve(listener, network, ended).await.unwrap();
    });
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let client = AccessApiClient::new(channel).max_decoding_message_size(256 << 20);
    Served { live, client, end, serving }
}

async fn block_by_id(
    client: &mut Client,
    id: &[u8],
    full: bool,
) -> Result<access::BlockResponse, Status> {
    let (id, full_block_response) = (id.to_vec().into(), full);
    let request = access::GetBlockByIdRequest { id, full_block_response };
    Ok(client.get_block_by_id(request).await?.into_inner())
}

async fn block_by_height(
    client: &mut Client,
    height: u64,
) -> Result<access::BlockResponse, Status> {
    let request = access::GetBlockByHeightRequest { height, full_block_response: true };
    Ok(client.get_block_by_height(request).await?.into_inner())
}

async fn snapshot_by_id(client: &mut Client, id: &Identifier) -> Result<Snapshot, Status> {
    let block_id = id.0.to_vec().into();
    let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
    let response = client.get_protocol_state_snapshot_by_block_id(request).await?;
    Ok(Snapshot::from_json(&response.into_inner().serialized_snapshot).unwrap())
}

async fn snapshot_by_height(client: &mut Client, block_height: u64) -> Result<Snapshot, Status> {
    let request = access::GetProtocolStateSnapshotByHeightRequest { block_height };
    let response = client.get_protocol_state_snapshot_by_height(request).await?;
    Ok(Snapshot::from_json(&response.into_inner().serialized_snapshot).unwrap())
}

async fn result_of(client: &mut Client, id: &[u8]) -> Result<entities::ExecutionResult, Status> {
    let block_id = id.to_vec().into();
    let request = access::GetExecutionResultForBlockIdRequest { block_id, ..Default::default() };
    let response = client.get_execution_result_for_block_id(request).await?;
    Ok(response.into_inner().execution_result.unwrap())
}

/// A block that another one of its height excluded, and one that may yet become final.
async fn orphaned_and_pending(live: &Arc<Live>) -> (Identifier, Identifier) {
    let mut orphaned = None;
    // The blocks are made again, one by one, because the network names only final ones.
    let mut again = Network::new(live.network().await.config().clone()).unwrap();
    loop {
        let produced = again.next_block();
        let height = produced.block.header.height;
        let network = live.network().await;
        match network.finalized_at(height) {
            Some(finalized) if finalized.block_id != produced.block_id => {
                orphaned = Some(produced.block_id);
            }
            Some(_) => {}
            None => return (orphaned.unwrap(), produced.block_id),
        }
    }
}

#[bounded::test(flavor = "multi_thread")]
async fn headers_and_blocks() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 200).await;
    let tip = live.tip();
    for height in 100..=tip.finalized_height {
        let found = block_by_height(&mut client, height).await.unwrap();
        let (status, mut full) = (found.block_status(), found.block.unwrap());
        let expected = {
            let network = live.network().await;
            let id = network.finalized_at(height).unwrap().block_id;
            network.block(&id).unwrap().clone()
        };
        let is_sealed = height <= tip.sealed_height;
        let expected_status =
            if is_sealed { BlockStatus::BlockSealed } else { BlockStatus::BlockFinalized };
        assert_eq!(status, expected_status, "{height}");
        let request = access::GetBlockHeaderByHeightRequest { height };
        let header = client.get_block_header_by_height(request).await.unwrap().into_inner();
        assert_eq!(header.block, full.block_header);
        let id = full.id.clone();
        let request = access::GetBlockHeaderByIdRequest { id: id.clone() };
        let header = client.get_block_header_by_id(request).await.unwrap().into_inner();
        assert_eq!(header.block, full.block_header);
        assert_eq!(header.block_status(), status);
        let voters = std::mem::take(&mut full.block_header.as_mut().unwrap().parent_voter_ids);
        // At least two thirds of five nodes of equal weight, and none for the root.
        assert!(if height == 100 { voters.is_empty() } else { voters.len() >= 4 }, "{height}");
        assert_eq!(full, block_to_wire(&expected));
        let light = block_by_id(&mut client, &id, false).await.unwrap();
        assert_eq!(light.block.unwrap(), light_block_to_wire(&expected));
        assert_eq!(light.metadata.unwrap().latest_finalized_height, tip.finalized_height);
    }
    for (is_sealed, height) in [(true, tip.sealed_height), (false, tip.finalized_height)] {
        let request = access::GetLatestBlockRequest { is_sealed, full_block_response: true };
        let latest = client.get_latest_block(request).await.unwrap().into_inner();
        assert_eq!(latest.block.as_ref().unwrap().height, height);
        let request = access::GetLatestBlockHeaderRequest { is_sealed };
        let header = client.get_latest_block_header(request).await.unwrap().into_inner();
        assert_eq!(header.block, latest.block.unwrap().block_header);
    }
    let (orphaned, pending) = orphaned_and_pending(&live).await;
    for id in [orphaned, pending] {
        let found = block_by_id(&mut client, &id.0, true).await.unwrap();
        assert_eq!(found.block_status(), BlockStatus::BlockUnknown);
    }
}

#[bounded::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_as_flow_go_says_it() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 50).await;
    let above = live.tip().finalized_height + 1;
    let statuses = [
        (
            block_by_height(&mut client, above).await.unwrap_err(),
            Code::NotFound,
            format!(
                "not found: failed to retrieve block ID for height {above}: could not retrieve \
                 resource: key not found"
            ),
        ),
        (
            block_by_height(&mut client, 99).await.unwrap_err(),
            Code::NotFound,
            "not found: block height 99 is less than the spork root block height 100. Try to use \
             a historic node: failed to retrieve block ID for height 99: could not retrieve \
             resource: key not found"
                .to_owned(),
        ),
        (
            block_by_id(&mut client, &[7; 32], true).await.unwrap_err(),
            Code::NotFound,
            "not found: could not retrieve header: could not retrieve resource: key not found"
                .to_owned(),
        ),
        (
            block_by_id(&mut client, &[7; 31], true).await.unwrap_err(),
            Code::InvalidArgument,
            "invalid block id: rpc error: code = InvalidArgument desc = invalid block id"
                .to_owned(),
        ),
    ];
    for (status, code, message) in statuses {
        assert_eq!((status.code(), status.message()), (code, &message[..]));
    }
    let transaction = client.get_transaction(access::GetTransactionRequest::default()).await;
    assert_eq!(transaction.unwrap_err().code(), Code::Unimplemented);
}

#[bounded::test(flavor = "multi_thread")]
async fn what_the_network_is() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 50).await;
    client.ping(access::PingRequest {}).await.unwrap();
    let info = client.get_node_version_info(access::GetNodeVersionInfoRequest {}).await.unwrap();
    let info = info.into_inner().info.unwrap();
    let spork_id = live.network().await.root().params().spork_id;
    assert_eq!(info.spork_id[..], spork_id.0);
    assert_eq!((info.spork_root_block_height, info.node_root_block_height), (100, 100));
    assert_eq!(info.protocol_state_version, 2);
    let parameters = client.get_network_parameters(access::GetNetworkParametersRequest {}).await;
    assert_eq!(parameters.unwrap().into_inner().chain_id, "flow-localnet");
}

#[bounded::test(flavor = "multi_thread")]
async fn snapshots_of_final_blocks_and_of_no_others() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 120).await;
    let tip = live.tip();
    let root = live.network().await.root().clone();
    for height in [100, 101, 130, tip.finalized_height] {
        let snapshot = snapshot_by_height(&mut client, height).await.unwrap();
        let id = snapshot.head().header.id();
        assert_eq!(snapshot.head().header.height, height);
        assert!(snapshot_by_id(&mut client, &id).await.unwrap() == snapshot);
        assert_eq!(snapshot == root, height == 100);
    }
    let request = access::GetLatestProtocolStateSnapshotRequest {};
    let latest = client.get_latest_protocol_state_snapshot(request).await.unwrap().into_inner();
    let latest = Snapshot::from_json(&latest.serialized_snapshot).unwrap();
    assert_eq!(latest.head().header.id(), tip.finalized_id);
    let (orphaned, pending) = orphaned_and_pending(&live).await;
    let unknown = Identifier([7; 32]);
    let height = tip.finalized_height + 1;
    assert_eq!(snapshot_by_height(&mut client, height).await.unwrap_err().code(), Code::NotFound);
    let mut refuse = async |id| snapshot_by_id(&mut client, &id).await.unwrap_err().code();
    assert_eq!(refuse(unknown).await, Code::NotFound);
    assert_eq!(refuse(orphaned).await, Code::InvalidArgument);
    assert_eq!(refuse(pending).await, Code::FailedPrecondition);
}

#[bounded::test(flavor = "multi_thread")]
async fn results_of_sealed_blocks_and_of_no_others() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 120).await;
    let tip = live.tip();
    for height in 101..=tip.finalized_height {
        let (id, result) = {
            let network = live.network().await;
            let id = network.finalized_at(height).unwrap().block_id;
            (id, network.result_of(&id).unwrap().clone())
        };
        let found = result_of(&mut client, &id.0).await;
        if height > tip.sealed_height {
            assert_eq!(found.unwrap_err().code(), Code::NotFound);
            continue;
        }
        assert_eq!(found.unwrap(), result_to_wire(&result));
        let id = result.id().0.to_vec().into();
        let request = access::GetExecutionResultByIdRequest { id, ..Default::default() };
        let by_id = client.get_execution_result_by_id(request).await.unwrap().into_inner();
        assert_eq!(by_id.execution_result.unwrap(), result_to_wire(&result));
    }
    let (orphaned, _) = orphaned_and_pending(&live).await;
    assert_eq!(result_of(&mut client, &orphaned.0).await.unwrap_err().code(), Code::NotFound);
}

#[bounded::test(flavor = "multi_thread")]
async fn subscriptions_follow_the_network_and_end_with_the_server() {
    let Served { live, mut client, end, serving } = serve(config(), Keep::Everything, 60).await;
    let request = access::SubscribeBlocksFromStartHeightRequest {
        start_block_height: 100,
        block_status: BlockStatus::BlockFinalized.into(),
        full_block_response: true,
    };
    let blocks = client.subscribe_blocks_from_start_height(request).await.unwrap();
    let mut blocks = blocks.into_inner();
    let request = access::SubscribeBlockHeadersFromStartBlockIdRequest {
        start_block_id: live.root_id().0.to_vec().into(),
        block_status: BlockStatus::BlockSealed.into(),
    };
    let headers = client.subscribe_block_headers_from_start_block_id(request).await.unwrap();
    let mut headers = headers.into_inner();
    let request = access::SubscribeBlockDigestsFromLatestRequest {
        block_status: BlockStatus::BlockFinalized.into(),
    };
    let mut next_digest = live.tip().sealed_height;
    let digests = client.subscribe_block_digests_from_latest(request).await.unwrap();
    let mut digests = digests.into_inner();
    let producing = tokio::spawn(
        Arc::clone(&live).produce(BlockTime::Immediate, |tip| tip.finalized_height >= 320),
    );
    // The root itself is skipped.
    for height in 101..=300 {
        let block = blocks.message().await.unwrap().unwrap().block.unwrap();
        assert_eq!(block.height, height);
        assert!(block.block_header.is_some());
        let header = headers.message().await.unwrap().unwrap().header.unwrap();
        assert_eq!((header.height, header.id), (height, block.id));
        if height >= next_digest {
            let digest = digests.message().await.unwrap().unwrap();
            assert_eq!(digest.block_height, next_digest);
            next_digest += 1;
        }
    }
    producing.await.unwrap();
    end.send(()).unwrap();
    let cut = loop {
        match blocks.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cut looks like an end"),
            Err(cut) => break cut,
        }
    };
    assert_eq!(cut.code(), Code::Cancelled, "{cut}");
    drop((headers, digests));
    serving.await.unwrap();
}

#[bounded::test(flavor = "multi_thread")]
async fn subscriptions_start_where_there_are_blocks() {
    let Served { live, mut client, .. } = serve(config(), Keep::Everything, 60).await;
    let above = live.tip().finalized_height + 2;
    let finalized = BlockStatus::BlockFinalized.into();
    for (start_block_height, block_status, code) in [
        (99, finalized, Code::InvalidArgument),
        (above, finalized, Code::NotFound),
        (101, BlockStatus::BlockUnknown.into(), Code::InvalidArgument),
    ] {
        let request = access::SubscribeBlockHeadersFromStartHeightRequest {
            start_block_height,
            block_status,
        };
        let refused = client.subscribe_block_headers_from_start_height(request).await;
        assert_eq!(refused.unwrap_err().code(), code, "{start_block_height}");
    }
    let request = access::SubscribeBlockHeadersFromStartHeightRequest {
        start_block_height: above - 1,
        block_status: finalized,
    };
    let next = client.subscribe_block_headers_from_start_height(request).await.unwrap();
    live.advance(3).await;
    let header = next.into_inner().message().await.unwrap().unwrap().header.unwrap();
    assert_eq!(header.height, above - 1);
    let start_block_id = vec![7; 32].into();
    let request = access::SubscribeBlocksFromStartBlockIdRequest {
        start_block_id,
        block_status: finalized,
        full_block_response: false,
    };
    let refused = client.subscribe_blocks_from_start_block_id(request).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
}

#[bounded::test(flavor = "multi_thread")]
async fn a_pruned_network_says_where_it_begins() {
    let Served { live, mut client, .. } = serve(config(), Keep::Heights(50), 900).await;
    let first = live.tip().first_height;
    assert!(first > 400, "{first}");
    let info = client.get_node_version_info(access::GetNodeVersionInfoRequest {}).await.unwrap();
    assert_eq!(info.into_inner().info.unwrap().node_root_block_height, first);
    assert_eq!(block_by_height(&mut client, first).await.unwrap().block.unwrap().height, first);
    let status = block_by_height(&mut client, first - 1).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("Try to use a different Access node"), "{status}");
    // The checkpoint can be had for as long as the network goes on.
    assert!(snapshot_by_id(&mut client, &live.root_id()).await.is_ok());
}

#[bounded::test(flavor = "multi_thread")]
async fn commands_are_carried_out_while_the_network_goes_on() {
    let Served { live, .. } = serve(config(), Keep::Everything, 10).await;
    let node = NodeName::Place { role: Role::Verification, position: 0 };
    live.command(Trigger::Now, Command::Eject(node)).await.unwrap();
    let impossible = Command::UpgradeVersion { version: 99, lead_views: 1 };
    assert!(live.command(Trigger::Now, impossible).await.is_err());
    live.advance(30).await;
    let network = live.network().await;
    let state = network.protocol_state(&live.tip().finalized_id).unwrap();
    let epoch = state.container(weir_protocol::protocol_state::EpochName::Current).unwrap();
    assert_eq!(epoch.active_identities.iter().filter(|node| node.ejected).count(), 1);
}
