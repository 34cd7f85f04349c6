//! `flow.access.AccessAPI` of a simulated network, as one of its access nodes serves it.

pub mod certificate;
mod messages;
mod view;

use std::future::Future;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;
use weir_access_api::AccessService;
use weir_admission::{Port, Workers, connections, server};
use weir_proto::flow::access::access_api_server::AccessApiServer;

use crate::live::Live;
use view::LiveView;

/// Serves until `shutdown` resolves; blocks are made elsewhere.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    port: impl Into<Port>,
    network: Arc<Live>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (end, ended) = watch::channel(false);
    let service = AccessService::new(LiveView::new(network), Workers::by_cores(), ended);
    // Subscriptions have no end of their own, and would keep the server up.
    let shutdown = async move {
        shutdown.await;
        end.send_replace(true);
    };
    server()
        .add_service(AccessApiServer::new(service))
        .serve_with_incoming_shutdown(connections(port.into()), shutdown)
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
