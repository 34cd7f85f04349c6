//! `weir.v1.SnapshotAPI` and the Access API over gRPC and gRPC-web, with health and reflection.

mod access;
mod errors;
mod receipts;
mod service;
mod tree;
mod values;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::Method;
use http::header::HeaderName;
use thiserror::Error;
use tokio::sync::watch;
use tonic_web::GrpcWebLayer;
use tower_http::cors::{Any, CorsLayer};
use weir_access_api::AccessService;
use weir_admission::{Port, Workers, connections};
use weir_dial::Channel;
use weir_proto::FILE_DESCRIPTOR_SET;
use weir_proto::flow::access::access_api_server::{AccessApi, AccessApiServer};
use weir_proto::weir::v1::snapshot_api_server::{SnapshotApi, SnapshotApiServer};
use weir_protocol::evidence::{EVIDENCE_BYTES_MAX, RECEIPT_METADATA};
use weir_protocol::model::Versions;

use crate::access::{AccessError, AccessView};
use crate::indexer::Condition;
use crate::prover::Prover;
use crate::source::access::SyncState;
pub use access::{Passthrough, Rest, UNVERIFIED_METADATA};
pub use receipts::{Signer, with_receipt};
use service::SnapshotService;

/// What is served, besides what the prover shows.
#[derive(Clone, Debug, Default)]
pub struct ApiOptions {
    /// Tells clients whether the source is still being read.
    pub indexing: Arc<AtomicBool>,
    /// Where following the network stands, when the source is one.
    pub sync: Option<watch::Receiver<SyncState>>,
    /// How the store is, if somebody writes to it.
    pub condition: Option<watch::Receiver<Condition>>,
    /// Signs evidence, if a key is configured.
    pub signer: Option<Signer>,
    /// An access node for the methods of the Access API that cannot be answered from the store.
    pub pass_on: Option<Channel>,
    /// Protocol versions that the server knows, if not those of the chain.
    pub versions: Option<Versions>,
}

/// Serves until `shutdown` resolves.
///
/// # Errors
/// When the store has no root snapshot, or the transport fails.
pub async fn serve(
    port: impl Into<Port>,
    prover: Prover,
    options: ApiOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (ending, ended) = watch::channel(false);
    // One bound for both, as they do the same work.
    let workers = Workers::by_cores();
    let view = AccessView::new(prover.clone())?;
    let access = AccessService::new(view, workers.clone(), ended.clone());
    let snapshots = SnapshotService::new(prover, &options, workers, ended);
    let rest = Rest::of_store(options.pass_on);
    serve_services(port, Services { snapshots, access, rest, ending }, shutdown).await
}

/// What is served on one port.
#[derive(Debug)]
pub struct Services<S, A> {
    /// `weir.v1.SnapshotAPI`.
    pub snapshots: S,
    /// `flow.access.AccessAPI`, as far as it is answered here.
    pub access: A,
    /// What becomes of its other methods.
    pub rest: Rest,
    /// Is told when the end was asked for, so that subscriptions end.
    pub ending: watch::Sender<bool>,
}

/// Serves two services over gRPC and gRPC-web, with health and reflection, until `shutdown`
/// resolves.
///
/// # Errors
/// When the transport fails.
pub async fn serve_services<S: SnapshotApi, A: AccessApi>(
    port: impl Into<Port>,
    services: Services<S, A>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Services { snapshots, access, rest, ending } = services;
    let access = AccessApiServer::new(access)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ACCESS_BYTES_MAX);
    let access = Passthrough::new(access, rest);
    let snapshots = SnapshotApiServer::new(snapshots)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(EVIDENCE_BYTES_MAX + REQUEST_BYTES_MAX);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SnapshotApiServer<S>>().await;
    health.set_serving::<AccessApiServer<A>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let ended = ending.subscribe();
    let serving = weir_admission::server()
        .accept_http1(true)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .timeout(REQUEST_TIMEOUT)
        // One connection does not take all the workers' queue.
        .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX)
        // For pages: who may ask, and gRPC as they can speak it.
        .layer(cors())
        .layer(GrpcWebLayer::new())
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(snapshots)
        .add_service(access)
        .serve_with_incoming_shutdown(connections(port.into()), async move {
            shutdown.await;
            // Subscriptions would go on for ever.
            ending.send_replace(true);
        });
    tokio::select! {
        served = serving => Ok(served?),
        () = grace_is_over(ended) => Ok(()),
    }
}

/// Requests that are not answered a while after the end are given up.
async fn grace_is_over(mut ended: watch::Receiver<bool>) {
    if ended.wait_for(|ended| *ended).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(GRACE).await;
}

/// Any page may ask: nothing here is secret, and no request carries credentials.
fn cors() -> CorsLayer {
    let exposed = [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        RECEIPT_METADATA,
        UNVERIFIED_METADATA,
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_headers(Any)
        .allow_methods([Method::POST])
        .expose_headers(exposed.map(HeaderName::from_static))
}

/// Why serving ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The store cannot stand in for an access node.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The transport fails.
    #[error("cannot serve: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors built into this program cannot be read.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Most bytes of a request: 1,024 held IDs and as many in a filter, with room to spare.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Most bytes of an answer of the Access API: a snapshot of a large network, or a block.
const ACCESS_BYTES_MAX: usize = 256 << 20;
/// Requests of one connection that are worked on at once.
const REQUESTS_PER_CONNECTION_MAX: usize = 64;
/// Most bytes of a request's headers.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// How long requests may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(5);
/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
