//! An access node that serves a reference chain, honestly or with one fault or another.
//!
//! It answers what ingest asks for, as flow-go does. In front of it is a relay, through which
//! every connection goes, so that connections can fail as well as answers.

mod chain;
mod faults;
mod relay;

pub use chain::ServedChain;
pub use faults::{Connection, Faults, Offer, Order};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codegen::BoxStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_server::{AccessApi, AccessApiServer};
use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

use relay::Relay;

/// An access node on a free port of the loopback interface; it serves until it is dropped.
#[derive(Debug)]
pub struct AccessNode {
    /// Where it listens.
    pub address: SocketAddr,
    node: Node,
    server: JoinHandle<()>,
    _relay: Relay,
}

/// How often each method was called.
pub type Requests = BTreeMap<&'static str, u64>;

/// What the handlers share.
#[derive(Clone, Debug)]
struct Node {
    chain: Arc<ServedChain>,
    tip: Arc<watch::Sender<u64>>,
    faults: Arc<watch::Sender<Faults>>,
    requests: Arc<watch::Sender<Requests>>,
}

impl AccessNode {
    /// An honest node that serves the whole chain.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(chain: &Arc<ServedChain>) -> Self {
        Self::with_faults(chain, Faults::default()).await
    }

    /// A node with faults.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn with_faults(chain: &Arc<ServedChain>, faults: Faults) -> Self {
        let node = Node {
            chain: chain.clone(),
            tip: Arc::new(watch::Sender::new(chain.last_height())),
            faults: Arc::new(watch::Sender::new(faults)),
            requests: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let inner = listener.local_addr().expect("a bound listener has an address");
        let serving = Server::builder()
            .add_service(AccessApiServer::new(node.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serving.await.expect("the node serves") });
        let relay = Relay::start(inner, node.faults.subscribe()).await;
        Self { address: relay.address, node, server, _relay: relay }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Moves the tip, forward or back, and wakes subscribers.
    pub fn grow_to(&self, height: u64) {
        self.node.tip.send_replace(height);
    }

    /// Behaves otherwise from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.node.faults.send_replace(faults);
    }

    /// How often a method was called.
    #[must_use]
    pub fn requests(&self, method: &str) -> u64 {
        self.node.requests.borrow().get(method).copied().unwrap_or_default()
    }

    /// Waits until a method was called so often.
    ///
    /// # Panics
    /// Never: the node outlives the wait.
    pub async fn asked(&self, method: &str, times: u64) {
        let mut requests = self.node.requests.subscribe();
        let enough = |requests: &Requests| requests.get(method).is_some_and(|n| *n >= times);
        requests.wait_for(enough).await.expect("the node outlives the wait");
    }
}

impl Drop for AccessNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Node {
    /// Counts a request, and leaves it unanswered if that is the fault.
    async fn admit(&self, method: &'static str) -> Faults {
        self.requests.send_modify(|requests| *requests.entry(method).or_default() += 1);
        let total: u64 = self.requests.borrow().values().sum();
        let faults = self.faults.borrow().clone();
        if faults.hangs_from.is_some_and(|first| total >= first) {
            std::future::pending::<()>().await;
        }
        faults
    }

    fn tip(&self, faults: &Faults) -> u64 {
        faults.claimed_tip.unwrap_or(*self.tip.borrow())
    }

    /// The block that is given for a height.
    fn block(&self, faults: &Faults, height: u64) -> Result<entities::Block, Status> {
        let not_found = || {
            Status::not_found(format!(
                "not found: failed to retrieve block ID for height {height}: could not retrieve \
                 resource: key not found"
            ))
        };
        if height > *self.tip.borrow() {
            return Err(not_found());
        }
        let shown = faults.order.shown(height);
        let forged = faults.blocks.get(&shown);
        let block = forged.or_else(|| self.chain.blocks.get(&shown)).ok_or_else(not_found)?;
        let mut block = if faults.light { light(block.clone()) } else { block.clone() };
        if faults.padding_bytes > 0 {
            block.signatures = vec![vec![7; faults.padding_bytes].into()];
        }
        Ok(block)
    }

    fn header(&self, faults: &Faults, height: u64) -> Result<entities::BlockHeader, Status> {
        let faults = Faults { light: false, ..faults.clone() };
        Ok(self.block(&faults, height)?.block_header.expect("a full block has a header"))
    }

    /// Sends blocks from a height on, as they become final.
    async fn feed(self, mut next: u64, sender: mpsc::Sender<Result<Message, Status>>) {
        let (mut tip, mut faults) = (self.tip.subscribe(), self.faults.subscribe());
        let mut sent = 0;
        loop {
            let (top, now) = (*tip.borrow_and_update(), faults.borrow_and_update().clone());
            match now.subscription {
                Offer::Ends { after } if sent >= after => return,
                Offer::Quiet { after } if sent >= after => {}
                _ if next <= top => {
                    let block = self.block(&now, next).map(Some);
                    let message = block.map(|block| Message { block });
                    if sender.send(message).await.is_err() {
                        return;
                    }
                    (next, sent) = (next + 1, sent + 1);
                    continue;
                }
                _ => {}
            }
            tokio::select! {
                () = sender.closed() => return,
                changed = tip.changed() => if changed.is_err() { return },
                changed = faults.changed() => if changed.is_err() { return },
            }
        }
    }
}

type Message = access::SubscribeBlocksResponse;

#[tonic::async_trait]
impl AccessApi for Node {
    async fn get_network_parameters(
        &self,
        _: Request<access::GetNetworkParametersRequest>,
    ) -> Result<Response<access::GetNetworkParametersResponse>, Status> {
        let faults = self.admit("get_network_parameters").await;
        let chain_id = faults.chain_id.unwrap_or_else(|| self.chain.chain_id.clone());
        Ok(Response::new(access::GetNetworkParametersResponse { chain_id }))
    }

    async fn get_node_version_info(
        &self,
        _: Request<access::GetNodeVersionInfoRequest>,
    ) -> Result<Response<access::GetNodeVersionInfoResponse>, Status> {
        let faults = self.admit("get_node_version_info").await;
        if faults.hides_version {
            return Err(Status::unimplemented("unknown method GetNodeVersionInfo"));
        }
        let spork_id = faults.spork_id.unwrap_or(self.chain.spork_id).0.to_vec().into();
        let info = Some(entities::NodeVersionInfo { spork_id, ..Default::default() });
        Ok(Response::new(access::GetNodeVersionInfoResponse { info }))
    }

    async fn get_latest_block_header(
        &self,
        _: Request<access::GetLatestBlockHeaderRequest>,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let faults = self.admit("get_latest_block_header").await;
        let real = self.header(&Faults::default(), *self.tip.borrow())?;
        let header = entities::BlockHeader { height: self.tip(&faults), ..real };
        Ok(Response::new(header_response(header)))
    }

    async fn get_block_header_by_height(
        &self,
        request: Request<access::GetBlockHeaderByHeightRequest>,
    ) -> Result<Response<access::BlockHeaderResponse>, Status> {
        let faults = self.admit("get_block_header_by_height").await;
        let header = self.header(&faults, request.into_inner().height)?;
        Ok(Response::new(header_response(header)))
    }

    async fn get_block_by_height(
        &self,
        request: Request<access::GetBlockByHeightRequest>,
    ) -> Result<Response<access::BlockResponse>, Status> {
        let faults = self.admit("get_block_by_height").await;
        let request = request.into_inner();
        let block = self.block(&faults, request.height)?;
        let block = if request.full_block_response { block } else { light(block) };
        let block_status = entities::BlockStatus::BlockFinalized.into();
        let response = access::BlockResponse { block: Some(block), block_status, metadata: None };
        Ok(Response::new(response))
    }

    async fn get_protocol_state_snapshot_by_block_id(
        &self,
        request: Request<access::GetProtocolStateSnapshotByBlockIdRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let faults = self.admit("get_protocol_state_snapshot_by_block_id").await;
        let id = Identifier::try_from(&request.into_inner().block_id[..])
            .map_err(|_| Status::invalid_argument("invalid block id"))?;
        let json = faults.snapshot.as_ref().or_else(|| self.chain.snapshots.get(&id));
        let json = json
            .ok_or_else(|| Status::not_found("failed to get a valid snapshot: block not found"))?;
        let serialized_snapshot = json.clone().into();
        let response =
            access::ProtocolStateSnapshotResponse { serialized_snapshot, metadata: None };
        Ok(Response::new(response))
    }

    async fn subscribe_blocks_from_start_height(
        &self,
        request: Request<access::SubscribeBlocksFromStartHeightRequest>,
    ) -> Result<Response<BoxStream<Message>>, Status> {
        let faults = self.admit("subscribe_blocks_from_start_height").await;
        if faults.subscription == Offer::None {
            return Err(Status::unimplemented("unknown method SubscribeBlocksFromStartHeight"));
        }
        let start = request.into_inner().start_block_height;
        let root = self.chain.first_height();
        if start < root {
            return Err(Status::invalid_argument("start height is below the root height"));
        }
        if start > *self.tip.borrow() {
            return Err(Status::not_found(format!("could not get header for height {start}")));
        }
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
        // flow-go skips the root.
        tokio::spawn(self.clone().feed(start.max(root + 1), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn header_response(header: entities::BlockHeader) -> access::BlockHeaderResponse {
    let block_status = entities::BlockStatus::BlockFinalized.into();
    access::BlockHeaderResponse { block: Some(header), block_status, metadata: None }
}

/// What a light response carries of a block.
fn light(full: entities::Block) -> entities::Block {
    entities::Block {
        block_header: None,
        block_seals: Vec::new(),
        execution_receipt_meta_list: Vec::new(),
        execution_result_list: Vec::new(),
        protocol_state_id: Vec::new().into(),
        ..full
    }
}

/// Messages of a subscription made before the reader takes them.
const MESSAGES_AHEAD: usize = 10;
