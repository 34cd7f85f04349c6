//! A channel to one address, for the clients of all services.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{self, Endpoint};
use tower::Service;

use crate::address::Address;
use crate::connector::{Connector, DialError, Said};
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
        let (endpoint, connector) = self.prepare(address, None)?;
        let said = connector.said.clone();
        let connected = endpoint.connect_with_connector(connector).await;
        let inner = connected.map_err(|error| said.take().unwrap_or_else(|| reason(&error)))?;
        Ok(Channel { inner, prefix: prefix(address), said })
    }

    /// A channel to a server, which connects when it is first used, and again when the connection breaks.
    ///
    /// # Errors
    /// When there are no authorities to trust.
    pub fn channel(&self, address: &Address) -> Result<Channel, DialError> {
        self.lazily(address, None)
    }

    /// As [`Self::channel`], to the access node with this networking key.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn channel_to(&self, address: &Address, key: NetworkKey) -> Result<Channel, DialError> {
        self.lazily(address, Some(key))
    }

    fn lazily(&self, address: &Address, key: Option<NetworkKey>) -> Result<Channel, DialError> {
        let (endpoint, connector) = self.prepare(address, key)?;
        let said = connector.said.clone();
        let inner = endpoint.connect_with_connector_lazy(connector);
        Ok(Channel { inner, prefix: prefix(address), said })
    }

    fn prepare(
        &self,
        address: &Address,
        key: Option<NetworkKey>,
    ) -> Result<(Endpoint, Connector), DialError> {
        let endpoint = Endpoint::from(address.origin())
            .connect_timeout(self.connect_timeout)
            .initial_stream_window_size(self.window_bytes)
            .initial_connection_window_size(self.window_bytes);
        let tls = if address.is_secure() { Some(self.tls(key)?) } else { None };
        let address = Arc::new(address.clone());
        Ok((endpoint, Connector::new(address, tls, Arc::clone(&self.proxies), Said::default())))
    }

    fn tls(&self, key: Option<NetworkKey>) -> Result<Arc<ClientConfig>, DialError> {
        let config = match key {
            Some(key) => self.trust.config_of(key),
            None => self.trust.config(),
        };
        config.map(Arc::new).map_err(DialError::Config)
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
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(prefix) = &self.prefix {
            *request.uri_mut() = below(prefix, request.uri());
        }
        let (answer, said) = (self.inner.call(request), self.said.clone());
        Box::pin(async move {
            answer.await.map_err(|error| match said.take() {
                Some(error) => Status::unavailable(error.to_string()).into(),
                None => error.into(),
            })
        })
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

fn prefix(address: &Address) -> Option<Arc<str>> {
    Some(address.prefix()).filter(|prefix| !prefix.is_empty()).map(Arc::from)
}

/// The error of a connector, within one of the library.
fn reason(error: &transport::Error) -> DialError {
    let mut cause: &dyn std::error::Error = error;
    loop {
        if let Some(found) = cause.downcast_ref::<DialError>() {
            return found.clone();
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return DialError::Tcp(cause.to_string()),
        }
    }
}

/// Longest wait for a connection, if none is named.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
