//! `weir.v1.SnapshotAPI` over gRPC, with health and reflection.

mod errors;
mod service;
mod values;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use weir_proto::FILE_DESCRIPTOR_SET;
use weir_proto::weir::v1::snapshot_api_server::SnapshotApiServer;
use weir_protocol::evidence::EVIDENCE_BYTES_MAX;

use crate::prover::Prover;
use service::SnapshotService;

/// Serves until `shutdown` resolves.
///
/// `indexing` tells clients whether the source is still being read.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    prover: Prover,
    indexing: Arc<AtomicBool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let service = SnapshotApiServer::new(SnapshotService::new(prover, indexing))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(EVIDENCE_BYTES_MAX + REQUEST_BYTES_MAX);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SnapshotApiServer<SnapshotService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    // Answers are written in two pieces; without this the second waits for an acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .timeout(REQUEST_TIMEOUT)
        .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ok(())
}

/// Why serving ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The transport fails.
    #[error("cannot serve: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors built into this program cannot be read.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Most bytes of a request: 1,024 held IDs and as many in a filter, with room to spare.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Requests of one connection that are worked on at once.
const REQUESTS_PER_CONNECTION_MAX: usize = 64;
/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
