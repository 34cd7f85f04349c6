//! The connection to one access node: its methods, with limits on time and size.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tonic::{Response, Status, Streaming};
use weir_dial::{AccessNode, Channel, Dialer};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::SNAPSHOT_LEN_MAX;
use weir_protocol::model::Identifier;

use super::{Network, SporkBasis, UpstreamError, WrongAnswer};

/// The connection to a node; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    node: AccessNode,
    dialer: Dialer,
    api: AccessApiClient<Channel>,
    /// As `api`, for the largest blocks that there can be.
    large: AccessApiClient<Channel>,
    /// As `api`, for snapshots.
    snapshots: AccessApiClient<Channel>,
    request_timeout: Duration,
}

impl Upstream {
    pub(super) fn new(node: &AccessNode, dialer: &Dialer, request_timeout: Duration) -> Self {
        let dialer = dialer.clone().with_connect_timeout(request_timeout);
        let dialer = dialer.with_window(WINDOW_BYTES);
        let channel = dialer.access_node(node);
        let api = AccessApiClient::new(channel.clone());
        let large = api.clone().max_decoding_message_size(LARGE_BLOCK_BYTES_MAX);
        let snapshots = api.clone().max_decoding_message_size(SNAPSHOT_MESSAGE_BYTES_MAX);
        let api = api.max_decoding_message_size(BLOCK_BYTES_MAX);
        let node = node.clone();
        Self { node, dialer, api, large, snapshots, request_timeout }
    }

    /// Connects anew, as a connection whose other end is gone may look alive for many minutes.
    pub(super) fn reconnect(&mut self) {
        *self = Self::new(&self.node, &self.dialer, self.request_timeout);
    }

    /// Checks that the node is of this network.
    pub(super) async fn check_network(&self, network: &Network) -> Result<(), UpstreamError> {
        let chain_id = self.chain_id().await?;
        same("chain", &network.chain_id, &chain_id)?;
        let (expected, found) = (network.spork_id, self.spork_id().await?);
        match (found, network.spork_basis) {
            (Some(found), SporkBasis::Nodes) if found != expected => {
                Err(UpstreamError::Disputed { expected, found })
            }
            (Some(found), _) => same("spork", &expected.to_string(), &found.to_string()),
            (None, _) => Ok(()),
        }
    }

    /// The chain that the node says it is of.
    pub(super) async fn chain_id(&self) -> Result<String, UpstreamError> {
        let mut api = self.api.clone();
        let request = access::GetNetworkParametersRequest {};
        Ok(self.within(api.get_network_parameters(request)).await?.chain_id)
    }

    /// The spork that the node says it is of; older nodes do not say.
    pub(super) async fn spork_id(&self) -> Result<Option<Identifier>, UpstreamError> {
        let mut api = self.api.clone();
        let request = access::GetNodeVersionInfoRequest {};
        match self.within(api.get_node_version_info(request)).await {
            Err(UpstreamError::Unimplemented(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(info) => {
                let spork_id = info.info.unwrap_or_default().spork_id;
                Ok(Some(Identifier::try_from(&spork_id[..]).unwrap_or_default()))
            }
        }
    }

    /// The latest finalized height.
    pub(super) async fn tip(&self) -> Result<u64, UpstreamError> {
        let mut api = self.api.clone();
        let request = access::GetLatestBlockHeaderRequest { is_sealed: false };
        let response = self.within(api.get_latest_block_header(request)).await?;
        Ok(response.block.unwrap_or_default().height)
    }

    /// The finalized block of a height, whole.
    pub(super) async fn block(&self, height: u64) -> Result<entities::Block, UpstreamError> {
        self.block_by(self.api.clone(), height).await
    }

    /// As [`Self::block`], up to the largest block that there can be.
    pub(super) async fn large_block(&self, height: u64) -> Result<entities::Block, UpstreamError> {
        self.block_by(self.large.clone(), height).await.map_err(UpstreamError::of_large_block)
    }

    async fn block_by(
        &self,
        mut api: AccessApiClient<Channel>,
        height: u64,
    ) -> Result<entities::Block, UpstreamError> {
        let request = access::GetBlockByHeightRequest { height, full_block_response: true };
        let response = self.within(api.get_block_by_height(request)).await?;
        let block = response.block.unwrap_or_default();
        match height_of(&block) {
            Some(found) if found == height => Ok(block),
            Some(found) => {
                let answer = WrongAnswer::Height { expected: height, found };
                Err(UpstreamError::wrong_block(answer, block))
            }
            None => Err(UpstreamError::wrong_block(WrongAnswer::LightBlock { height }, block)),
        }
    }

    /// The ID of the finalized block of a height.
    pub(super) async fn block_id(&self, height: u64) -> Result<Identifier, UpstreamError> {
        let mut api = self.api.clone();
        let request = access::GetBlockHeaderByHeightRequest { height };
        let response = self.within(api.get_block_header_by_height(request)).await?;
        let id = response.block.unwrap_or_default().id;
        Identifier::try_from(&id[..]).map_err(|_| {
            let found = format!("an id of {} bytes", id.len());
            WrongAnswer::Finalized { height, expected: "an id of 32 bytes".into(), found }.into()
        })
    }

    /// The protocol state snapshot at a block, as the node gives it.
    pub(super) async fn snapshot(&self, block_id: Identifier) -> Result<Vec<u8>, UpstreamError> {
        let mut api = self.snapshots.clone();
        let block_id = block_id.0.to_vec().into();
        let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
        let answer = api.get_protocol_state_snapshot_by_block_id(request);
        let response = match timeout(SNAPSHOT_TIMEOUT, answer).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return Err(UpstreamError::from_status(&status)),
            Err(_) => return Err(UpstreamError::Timeout(SNAPSHOT_TIMEOUT)),
        };
        Ok(response.serialized_snapshot.into())
    }

    /// All finalized blocks from a height on, as they come.
    pub(super) async fn subscribe(
        &self,
        start_block_height: u64,
    ) -> Result<Streaming<access::SubscribeBlocksResponse>, UpstreamError> {
        let mut api = self.large.clone();
        self.within(api.subscribe_blocks_from_start_height(
            access::SubscribeBlocksFromStartHeightRequest {
                start_block_height,
                block_status: entities::BlockStatus::BlockFinalized.into(),
                full_block_response: true,
            },
        ))
        .await
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, UpstreamError> {
        match timeout(self.request_timeout, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(UpstreamError::from_status(&status)),
            Err(_) => Err(UpstreamError::Timeout(self.request_timeout)),
        }
    }
}

/// The height in the header, which a block of a full response has.
pub(super) fn height_of(block: &entities::Block) -> Option<u64> {
    block.block_header.as_ref().map(|header| header.height)
}

fn same(field: &'static str, expected: &str, found: &str) -> Result<(), UpstreamError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(WrongAnswer::Network { field, expected, found }.into())
}

/// Largest block of those fetched at once: twice Flow's largest message between nodes (10 MB), for
/// service events come in JSON.
const BLOCK_BYTES_MAX: usize = 32 << 20;
/// Largest block: 64 MiB. A block goes through Flow's network in one message of at most 10 MB, and
/// takes at most some five times as much here, where its service events are JSON.
const LARGE_BLOCK_BYTES_MAX: usize = weir_proto::frames::BLOCK_BYTES_MAX as usize;
/// Largest message with a snapshot.
const SNAPSHOT_MESSAGE_BYTES_MAX: usize = SNAPSHOT_LEN_MAX + 1024;
/// Bytes in flight on a connection, so that one large block does not wait for acknowledgements.
const WINDOW_BYTES: u32 = 4 << 20;
/// Longest time for a snapshot, which a node puts together anew.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(120);
