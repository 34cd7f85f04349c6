//! A proxy between clients and servers: invisible where all is well, closed where it is not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command;
mod lies;
mod snapshots;
mod values;

use weir_integration_tests::TestServer;
use weir_integration_tests::proxy::TestProxy;

/// A server, a proxy before it, and a proxy before that.
async fn chain_of_two(chain: &str) -> (TestServer, TestProxy, TestProxy) {
    let server = TestServer::start(chain).await.unwrap();
    let near = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let far = TestProxy::start([near.url()], server.root_id).await.unwrap();
    (server, near, far)
}
