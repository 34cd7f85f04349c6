//! What a started server says of itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use weir_integration_tests::programs::{PATIENCE, ServerProcess};
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{GetServerInfoRequest, GetServerInfoResponse};

/// Waits until the server says what is wanted, and returns it.
pub(crate) async fn info_is(
    server: &ServerProcess,
    is: impl Fn(&GetServerInfoResponse) -> bool,
) -> GetServerInfoResponse {
    let channel = Channel::from_shared(server.url.clone()).unwrap();
    let channel = timeout(PATIENCE, channel.connect()).await.unwrap().unwrap();
    let mut client = SnapshotApiClient::new(channel);
    let waiting = async {
        loop {
            let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
            if is(&info) {
                return info;
            }
            // A server does not announce its state, so that it is asked again.
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap()
}
