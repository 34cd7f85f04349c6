//! A proxy before servers, on a free port of the loopback interface.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_proxy::{ACCESS_METHODS, ACCESS_REFUSAL, CheckSnapshot, Proxy, ProxyOptions, StartError};
use weir_server::api::{self, Rest, Services};
use weir_server::ingest::check_snapshot;

/// A proxy that serves until it is dropped, inside the runtime it was started in.
#[derive(Debug)]
pub struct TestProxy {
    /// Where it listens.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl TestProxy {
    /// Starts before these servers, from a checkpoint.
    ///
    /// # Errors
    /// When none of them proves the checkpoint.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(
        upstreams: impl IntoIterator<Item = String>,
        checkpoint_id: Identifier,
    ) -> Result<Self, StartError> {
        Self::start_with(options(upstreams, checkpoint_id)).await
    }

    /// As [`Self::start`], with options.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with(options: ProxyOptions) -> Result<Self, StartError> {
        let (snapshots, access) = Proxy::start(options).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let rest = Rest { answered: &ACCESS_METHODS, upstream: None, refusal: ACCESS_REFUSAL };
        let (ending, _) = watch::channel(false);
        let services = Services { snapshots, access, rest, ending };
        let task = tokio::spawn(async move {
            let forever = std::future::pending();
            api::serve_services(listener, services, forever).await.expect("the proxy serves");
        });
        Ok(Self { address, task })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The options of a proxy before these servers; it waits for them as long as a busy machine needs.
#[must_use]
pub fn options(
    upstreams: impl IntoIterator<Item = String>,
    checkpoint_id: Identifier,
) -> ProxyOptions {
    let check: CheckSnapshot =
        Arc::new(|snapshot: &Snapshot| check_snapshot(snapshot).map_err(|fault| fault.to_string()));
    let address = |url: String| url.parse().expect("tests name servers by their URLs");
    let upstreams = upstreams.into_iter().map(address).collect();
    let options = ProxyOptions::new(upstreams, checkpoint_id, check);
    ProxyOptions { upstream_timeout: Duration::from_secs(60), ..options }
}
