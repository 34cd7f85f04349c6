//! `flow.access.AccessAPI` of a simulated network, as one of its access nodes serves it.

mod messages;
mod view;

use std::future::Future;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use weir_access_api::AccessService;
use weir_proto::flow::access::access_api_server::AccessApiServer;

use crate::live::Live;
use view::LiveView;

/// Serves until `shutdown` resolves; blocks are made elsewhere.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    network: Arc<Live>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (end, ended) = watch::channel(false);
    let service = AccessService::new(LiveView::new(network), ended);
    // Subscriptions have no end of their own, and would keep the server up.
    let shutdown = async move {
        shutdown.await;
        end.send_replace(true);
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(AccessApiServer::new(service))
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
}
