//! A channel to one address, for the clients of all services.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper_util::client::proxy::matcher::Matcher;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{self, Endpoint};
use tower::Service;

use crate::access_node::AccessNode;
use crate::address::Address;
use crate::connector::{Connector, DialError, Said, cause, causes};
use crate::network_key::NetworkKey;
use crate::trust::Trust;

/// Opens connections: with [`Trust`] where an address asks for TLS, and through the proxies that the
/// environment names (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), but to this machine.
#[derive(Clone)]
pub struct Dialer {
    trust: Trust,
    proxies: Arc<Matcher>,
    connect_timeout: Duration,
    window_bytes: Option<u32>,
}

impl Dialer {
    /// A dialer that waits for a connection as long as [`CONNECT_TIMEOUT`].
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        let proxies = Arc::new(Matcher::from_env());
        Self { trust, proxies, connect_timeout: CONNECT_TIMEOUT, window_bytes: None }
    }

    /// Waits so long for a connection.
    #[must_use]
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Lets so many bytes be on their way that were not acknowledged.
    #[must_use]
    pub fn with_window(self, bytes: u32) -> Self {
        Self { window_bytes: Some(bytes), ..self }
    }

    /// Connects to a server.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub async fn connect(&self, address: &Address) -> Result<Channel, DialError> {
        let (endpoint, connector, channel) = self.prepare(address, None);
        let connected = endpoint.connect_with_connector(connector).await;
        connected.map(channel).map_err(|error| reason(&error))
    }

    /// A channel to a server, which connects when it is first used, and again when the connection breaks.
    #[must_use]
    pub fn channel(&self, address: &Address) -> Channel {
        let (endpoint, connector, channel) = self.prepare(address, None);
        channel(endpoint.connect_with_connector_lazy(connector))
    }

    /// As [`Self::channel`], to an access node, and to no other than the one with its networking key.
    #[must_use]
    pub fn access_node(&self, node: &AccessNode) -> Channel {
        let (endpoint, connector, channel) = self.prepare(node.address(), node.key().cloned());
        channel(endpoint.connect_with_connector_lazy(connector))
    }

    fn prepare(
        &self,
        address: &Address,
        key: Option<NetworkKey>,
    ) -> (Endpoint, Connector, impl FnOnce(transport::Channel) -> Channel + use<>) {
        let endpoint = Endpoint::from(address.origin())
            .connect_timeout(self.connect_timeout)
            .initial_stream_window_size(self.window_bytes)
            .initial_connection_window_size(self.window_bytes);
        let said = Said::default();
        let tls = address.is_secure().then(|| self.trust.config(key).map(Arc::new));
        let proxies = Arc::clone(&self.proxies);
        let connector = Connector::new(address.clone(), tls, proxies, said.clone());
        let prefix = Some(address.prefix()).filter(|prefix| !prefix.is_empty()).map(Arc::from);
        (endpoint, connector, move |inner| Channel { inner, prefix, said, failed: None })
    }
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new(Trust::default())
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("trust", &self.trust).finish_non_exhaustive()
    }
}

/// A channel to one address.
#[derive(Clone, Debug)]
pub struct Channel {
    inner: transport::Channel,
    /// Where a front end has the server.
    prefix: Option<Arc<str>>,
    said: Said,
    /// Why it was not ready, which the next call says.
    failed: Option<Status>,
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// Clients keep no more than the text of an error here, so that the call says it.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.inner.poll_ready(cx));
        self.failed = ready.err().map(|error| explained(error, &self.said));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(failed) = self.failed.take() {
            return Box::pin(std::future::ready(Err(failed)));
        }
        if let Some(prefix) = &self.prefix {
            *request.uri_mut() = below(prefix, request.uri());
        }
        let (answer, said) = (self.inner.call(request), self.said.clone());
        Box::pin(async move { answer.await.map_err(|error| explained(error, &said)) })
    }
}

/// The status of a call that failed on its way.
fn explained(error: transport::Error, said: &Said) -> Status {
    match said.heard() {
        Some(error) => Status::unavailable(error.to_string()),
        None => Status::from_error(Box::new(error)),
    }
}

/// The path of a method below a prefix.
fn below(prefix: &str, uri: &http::Uri) -> http::Uri {
    let mut parts = uri.clone().into_parts();
    let path = format!("{prefix}{}", uri.path()).parse();
    // The prefix is a part of a URI that was read.
    parts.path_and_query = path.ok().or(parts.path_and_query);
    http::Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// The error of a connector, within one of the library.
fn reason(error: &transport::Error) -> DialError {
    let found = causes(error).find_map(|cause| cause.downcast_ref::<DialError>());
    found.cloned().unwrap_or_else(|| DialError::Tcp(cause(error)))
}

/// Longest wait for a connection, if none is named.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
