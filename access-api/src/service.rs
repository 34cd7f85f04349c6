//! The unary methods: parse, look up off the async threads, answer.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Request, Response, Status};
use weir_admission::Workers;
use weir_proto::convert::{id_of_any_length, result_to_wire};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_server::AccessApi;
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;

use crate::messages::{block_status, bytes, header_message, light_block_message, metadata};
use crate::refusal::Refusal;
use crate::subscriptions::{Start, Streams, Subscription};
use crate::view::{BlockName, FoundHeader, FullBlock, View};

/// Answers from what has been announced when a request arrives.
#[derive(Clone, Debug)]
pub struct AccessService<V> {
    pub(super) view: V,
    pub(super) streams: Arc<Streams>,
    pub(super) workers: Workers,
    /// True when the server is about to end.
    pub(super) ended: watch::Receiver<bool>,
}

impl<V: View> AccessService<V> {
    /// Answers from the view; subscriptions end once `ended` holds true, for they have no end of
    /// their own and would keep the server up. Lookups are done by `workers`.
    pub fn new(view: V, workers: Workers, ended: watch::Receiver<bool>) -> Self {
        Self { view, streams: Arc::default(), workers, ended }
    }

    /// Has `find` done by the workers.
    async fn blocking<T: Send + 'static>(
        &self,
        find: impl FnOnce(&V) -> Result<T, Status> + Send + 'static,
    ) -> Result<(T, entities::Metadata), Status> {
        let view = self.view.latest();
        let metadata = metadata(&view.head());
        let found = self.workers.run(move || find(&view)).await?;
        Ok((found?, metadata))
    }

    async fn header(
        &self,
        find: impl FnOnce(&V) -> Result<FoundHeader, Status> + Send + 'static,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let (found, metadata) = self.blocking(find).await?;
        Ok(Response::new(access::BlockHeaderResponse {
            block: Some(header_message(&found)),
            block_status: block_status(found.status).into(),
            metadata: Some(metadata),
        }))
    }

    async fn block(
        &self,
        full: bool,
        name: BlockName,
    ) -> Result<Response<access::BlockResponse>, Status> {
        let find = move |view: &V| {
            if full {
                return view.full_block(name);
            }
            let found = view.block(name)?;
            Ok(FullBlock { message: light_block_message(&found), status: found.status })
        };
        let (FullBlock { message, status }, metadata) = self.blocking(find).await?;
        Ok(Response::new(access::BlockResponse {
            block: Some(message),
            block_status: block_status(status).into(),
            metadata: Some(metadata),
        }))
    }

    async fn snapshot(
        &self,
        find: impl FnOnce(&V) -> Result<Snapshot, Status> + Send + 'static,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let (json, metadata) = self.blocking(|view| Ok(find(view)?.to_json())).await?;
        Ok(Response::new(access::ProtocolStateSnapshotResponse {
            serialized_snapshot: json.into(),
            metadata: Some(metadata),
        }))
    }
}

#[tonic::async_trait]
impl<V: View> AccessApi for AccessService<V> {
    async fn ping(
        &self,
        _request: Request<access::PingRequest>,
    ) -> Result<Response<access::PingResponse>, Status> {
        Ok(Response::new(access::PingResponse {}))
    }

    async fn get_node_version_info(
        &self,
        _request: Request<access::GetNodeVersionInfoRequest>,
    ) -> Result<Response<access::GetNodeVersionInfoResponse>, Status> {
        let (protocol_state_version, _) =
            self.blocking(|view| view.protocol_state_version()).await?;
        let head = self.view.latest().head();
        let info = entities::NodeVersionInfo {
            semver: self.view.semver(),
            spork_id: bytes(&head.spork_id),
            spork_root_block_height: head.spork_root_block_height,
            node_root_block_height: head.first_height,
            protocol_state_version,
            ..Default::default()
        };
        Ok(Response::new(access::GetNodeVersionInfoResponse { info: Some(info) }))
    }

    async fn get_network_parameters(
        &self,
        _request: Request<access::GetNetworkParametersRequest>,
    ) -> Result<Response<access::GetNetworkParametersResponse>, Status> {
        let chain_id = self.view.head().chain_id;
        Ok(Response::new(access::GetNetworkParametersResponse { chain_id }))
    }

    async fn get_latest_block_header(
        &self,
        request: Request<access::GetLatestBlockHeaderRequest>,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let sealed = request.into_inner().is_sealed;
        self.header(move |view| view.latest_header(sealed)).await
    }

    async fn get_block_header_by_id(
        &self,
        request: Request<access::GetBlockHeaderByIdRequest>,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let id = block_id(&request.into_inner().id)?;
        self.header(move |view| view.header_by_id(id)).await
    }

    async fn get_block_header_by_height(
        &self,
        request: Request<access::GetBlockHeaderByHeightRequest>,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let height = request.into_inner().height;
        self.header(move |view| view.header_by_height(height)).await
    }

    async fn get_latest_block(
        &self,
        request: Request<access::GetLatestBlockRequest>,
    ) -> Result<Response<access::BlockResponse>, Status> {
        let access::GetLatestBlockRequest { is_sealed, full_block_response } = request.into_inner();
        self.block(full_block_response, BlockName::Latest { sealed: is_sealed }).await
    }

    async fn get_block_by_id(
        &self,
        request: Request<access::GetBlockByIdRequest>,
    ) -> Result<Response<access::BlockResponse>, Status> {
        let access::GetBlockByIdRequest { id, full_block_response } = request.into_inner();
        let id = block_id(&id)?;
        self.block(full_block_response, BlockName::Id(id)).await
    }

    async fn get_block_by_height(
        &self,
        request: Request<access::GetBlockByHeightRequest>,
    ) -> Result<Response<access::BlockResponse>, Status> {
        let access::GetBlockByHeightRequest { height, full_block_response } = request.into_inner();
        self.block(full_block_response, BlockName::Height(height)).await
    }

    async fn get_latest_protocol_state_snapshot(
        &self,
        _request: Request<access::GetLatestProtocolStateSnapshotRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        self.snapshot(V::latest_snapshot).await
    }

    async fn get_protocol_state_snapshot_by_block_id(
        &self,
        request: Request<access::GetProtocolStateSnapshotByBlockIdRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let id = id_of_any_length(&request.into_inner().block_id);
        self.snapshot(move |view| view.snapshot_by_id(id)).await
    }

    async fn get_protocol_state_snapshot_by_height(
        &self,
        request: Request<access::GetProtocolStateSnapshotByHeightRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let height = request.into_inner().block_height;
        self.snapshot(move |view| view.snapshot_by_height(height)).await
    }

    async fn get_execution_result_for_block_id(
        &self,
        request: Request<access::GetExecutionResultForBlockIdRequest>,
    ) -> Result<Response<access::ExecutionResultForBlockIdResponse>, Status> {
        let id = id_of_any_length(&request.into_inner().block_id);
        let (result, metadata) = self.blocking(move |view| view.result_for_block(id)).await?;
        Ok(Response::new(access::ExecutionResultForBlockIdResponse {
            execution_result: Some(result_to_wire(&result)),
            metadata: Some(metadata),
        }))
    }

    async fn get_execution_result_by_id(
        &self,
        request: Request<access::GetExecutionResultByIdRequest>,
    ) -> Result<Response<access::ExecutionResultByIdResponse>, Status> {
        let id = id_of_any_length(&request.into_inner().id);
        let (result, metadata) = self.blocking(move |view| view.result_by_id(id)).await?;
        Ok(Response::new(access::ExecutionResultByIdResponse {
            execution_result: Some(result_to_wire(&result)),
            metadata: Some(metadata),
        }))
    }

    async fn subscribe_blocks_from_start_block_id(
        &self,
        request: Request<access::SubscribeBlocksFromStartBlockIdRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlocksResponse>>, Status> {
        let request = request.into_inner();
        let start = start_block(&request.start_block_id)?;
        self.subscribe_blocks(start, request.block_status, request.full_block_response).await
    }

    async fn subscribe_blocks_from_start_height(
        &self,
        request: Request<access::SubscribeBlocksFromStartHeightRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlocksResponse>>, Status> {
        let request = request.into_inner();
        let start = Start::Height(request.start_block_height);
        self.subscribe_blocks(start, request.block_status, request.full_block_response).await
    }

    async fn subscribe_blocks_from_latest(
        &self,
        request: Request<access::SubscribeBlocksFromLatestRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlocksResponse>>, Status> {
        let request = request.into_inner();
        self.subscribe_blocks(Start::Latest, request.block_status, request.full_block_response)
            .await
    }

    async fn subscribe_block_headers_from_start_block_id(
        &self,
        request: Request<access::SubscribeBlockHeadersFromStartBlockIdRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockHeadersResponse>>, Status> {
        let request = request.into_inner();
        let start = start_block(&request.start_block_id)?;
        self.subscribe_headers(start, request.block_status).await
    }

    async fn subscribe_block_headers_from_start_height(
        &self,
        request: Request<access::SubscribeBlockHeadersFromStartHeightRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockHeadersResponse>>, Status> {
        let request = request.into_inner();
        let start = Start::Height(request.start_block_height);
        self.subscribe_headers(start, request.block_status).await
    }

    async fn subscribe_block_headers_from_latest(
        &self,
        request: Request<access::SubscribeBlockHeadersFromLatestRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockHeadersResponse>>, Status> {
        self.subscribe_headers(Start::Latest, request.into_inner().block_status).await
    }

    async fn subscribe_block_digests_from_start_block_id(
        &self,
        request: Request<access::SubscribeBlockDigestsFromStartBlockIdRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockDigestsResponse>>, Status> {
        let request = request.into_inner();
        let start = start_block(&request.start_block_id)?;
        self.subscribe_digests(start, request.block_status).await
    }

    async fn subscribe_block_digests_from_start_height(
        &self,
        request: Request<access::SubscribeBlockDigestsFromStartHeightRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockDigestsResponse>>, Status> {
        let request = request.into_inner();
        let start = Start::Height(request.start_block_height);
        self.subscribe_digests(start, request.block_status).await
    }

    async fn subscribe_block_digests_from_latest(
        &self,
        request: Request<access::SubscribeBlockDigestsFromLatestRequest>,
    ) -> Result<Response<Subscription<access::SubscribeBlockDigestsResponse>>, Status> {
        self.subscribe_digests(Start::Latest, request.into_inner().block_status).await
    }
}

/// The ID in a question about a block or a header.
fn block_id(bytes: &[u8]) -> Result<Identifier, Status> {
    Identifier::try_from(bytes).map_err(|_| Refusal::Length.into())
}

/// The block where a subscription starts.
fn start_block(bytes: &[u8]) -> Result<Start, Status> {
    Identifier::try_from(bytes).map(Start::Block).map_err(|_| Refusal::StartLength.into())
}
