//! A gRPC server that asks an honest one and twists the evidence of its answers.

use std::sync::{Arc, Mutex};

use prost::bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, async_trait};
use weir_integration_tests::TestServer;
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::snapshot_api_server::{SnapshotApi, SnapshotApiServer};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{RECEIPT_METADATA, Receipt, Statement};
use weir_server::api::{Signer, with_receipt};

/// What the server makes of honest evidence, at once: a closure that blocks holds up a thread of
/// the test's runtime, and with it the sockets and child processes that this thread looks after.
/// [`Hostile::hold`] is for answers that do not come.
pub(crate) type Lie = Arc<dyn Fn(Bytes) -> Result<Bytes, Status> + Send + Sync>;

/// Which calls it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Checkpoint,
    Hop,
    Answer,
    TreeProof,
}

/// What the server says without asking anybody.
pub(crate) type Script = Arc<dyn Fn(Call) -> Bytes + Send + Sync>;

/// What the server makes of an honest subscription.
pub(crate) type Notices =
    Arc<dyn Fn(BoxStream<v1::WatchResponse>) -> BoxStream<v1::WatchResponse> + Send + Sync>;

/// A call that is never answered, and who is notified when one comes.
type Held = (Call, Arc<Notify>);

/// Asks an honest server, and passes on what it likes.
#[derive(Clone)]
pub(crate) struct Hostile {
    honest: SnapshotApiClient<Channel>,
    lie: Arc<Mutex<Option<(Call, Lie)>>>,
    held: Arc<Mutex<Option<Held>>>,
    script: Arc<Mutex<Option<Script>>>,
    notices: Arc<Mutex<Option<Notices>>>,
    signer: Arc<Mutex<Option<Signer>>>,
}

impl Hostile {
    /// Stands before a server, and says where.
    pub(crate) async fn start(honest: &TestServer) -> (Self, String) {
        let channel = Channel::from_shared(honest.url()).unwrap().connect().await.unwrap();
        let honest = SnapshotApiClient::new(channel);
        let hostile = Self {
            honest,
            lie: Arc::default(),
            held: Arc::default(),
            script: Arc::default(),
            notices: Arc::default(),
            signer: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = SnapshotApiServer::new(hostile.clone());
        let incoming = TcpIncoming::from(listener);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        (hostile, url)
    }

    /// Lies from now on.
    pub(crate) fn lie(&self, call: Call, lie: Lie) {
        *self.lie.lock().unwrap() = Some((call, lie));
    }

    /// Never answers such a call from now on; what is returned is notified when one comes.
    pub(crate) fn hold(&self, call: Call) -> Arc<Notify> {
        let asked = Arc::<Notify>::default();
        *self.held.lock().unwrap() = Some((call, Arc::clone(&asked)));
        asked
    }

    /// Says this from now on, whatever the honest server would say.
    pub(crate) fn say(&self, script: Script) {
        *self.script.lock().unwrap() = Some(script);
    }

    /// Twists subscriptions from now on.
    pub(crate) fn notify(&self, notices: Notices) {
        *self.notices.lock().unwrap() = Some(notices);
    }

    /// Signs what it says from now on, as far as the honest server signs.
    pub(crate) fn sign(&self, signer: Signer) {
        *self.signer.lock().unwrap() = Some(signer);
    }

    /// The answer, with a receipt of its own where the honest server gave one.
    fn signed<T>(&self, message: T, honest: Option<Receipt>, evidence: &Bytes) -> Response<T> {
        let receipt = self.signer.lock().unwrap().as_ref().zip(honest).map(|(signer, honest)| {
            let answer_hash = sha3_256(&[evidence]);
            signer.sign(Statement { answer_hash, ..honest.statement })
        });
        with_receipt(message, receipt.as_ref())
    }

    /// Is honest from now on.
    pub(crate) fn stop_lying(&self) {
        *self.lie.lock().unwrap() = None;
        *self.notices.lock().unwrap() = None;
    }

    async fn twist(&self, call: Call, evidence: Bytes) -> Result<Bytes, Status> {
        let held = self.held.lock().unwrap().clone();
        if let Some((_, asked)) = held.filter(|(held, _)| *held == call) {
            asked.notify_one();
            std::future::pending::<()>().await;
        }
        match &*self.lie.lock().unwrap() {
            Some((lying, lie)) if *lying == call => lie(evidence),
            _ => Ok(evidence),
        }
    }
}

fn receipt(metadata: &MetadataMap) -> Option<Receipt> {
    let bytes = metadata.get_bin(RECEIPT_METADATA)?.to_bytes().unwrap();
    Some(Receipt::from_bytes(&bytes).unwrap())
}

macro_rules! pass_on {
    ($($method:ident: $request:ident -> $response:ident, $call:expr, $field:ident;)*) => {
        #[async_trait]
        impl SnapshotApi for Hostile {
            async fn get_server_info(
                &self,
                request: Request<v1::GetServerInfoRequest>,
            ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
                self.honest.clone().get_server_info(request).await
            }

            async fn watch(
                &self,
                request: Request<v1::WatchRequest>,
            ) -> Result<Response<BoxStream<v1::WatchResponse>>, Status> {
                let honest = self.honest.clone().watch(request).await?.into_inner();
                let honest: BoxStream<_> = Box::pin(honest);
                let notices = self.notices.lock().unwrap().clone();
                Ok(Response::new(match notices {
                    Some(notices) => notices(honest),
                    None => honest,
                }))
            }

            $(async fn $method(
                &self,
                request: Request<v1::$request>,
            ) -> Result<Response<v1::$response>, Status> {
                let script = self.script.lock().unwrap().clone();
                let honest = match script {
                    Some(_) => Response::new(v1::$response::default()),
                    None => self.honest.clone().$method(request).await?,
                };
                let receipt = receipt(honest.metadata());
                let mut answer = honest.into_inner();
                answer.$field = match script {
                    Some(script) => script($call),
                    None => self.twist($call, answer.$field).await?,
                };
                let said = answer.$field.clone();
                Ok(self.signed(answer, receipt, &said))
            })*
        }
    };
}

pass_on! {
    get_checkpoint: GetCheckpointRequest -> GetCheckpointResponse, Call::Checkpoint, evidence;
    get_epoch_hops: GetEpochHopsRequest -> GetEpochHopsResponse, Call::Hop, evidence;
    get_snapshot: GetSnapshotRequest -> GetSnapshotResponse, Call::Answer, evidence;
    get_identity: GetIdentityRequest -> GetIdentityResponse, Call::Answer, evidence;
    list_identities: ListIdentitiesRequest -> ListIdentitiesResponse, Call::Answer, evidence;
    get_epoch: GetEpochRequest -> GetEpochResponse, Call::Answer, evidence;
    get_seal: GetSealRequest -> GetSealResponse, Call::Answer, evidence;
    get_execution_result: GetExecutionResultRequest -> GetExecutionResultResponse, Call::Answer, evidence;
    get_tree_proof: GetTreeProofRequest -> GetTreeProofResponse, Call::TreeProof, proof;
}
