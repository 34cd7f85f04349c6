//! Opening one connection: through a proxy where the environment names one, and with TLS.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, OtherError};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::address::Address;
use crate::first_bytes::FirstBytes;
use crate::network_key::{NetworkKey, PinError};
use crate::stream::Stream;
use crate::trust::{HTTP2, Trust};

/// Why there is no connection, or none that can be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody accepts connections there.
    #[error("{0}")]
    Tcp(String),
    /// A proxy that the environment names is not used.
    #[error("the proxy {proxy}: {reason}")]
    Proxy {
        /// Its URL, without a password.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// TLS was spoken to a port that does not.
    #[error("this port speaks plaintext, not TLS; its address begins with http://")]
    SpeaksPlaintext,
    /// Plaintext was spoken to a port of TLS.
    #[error("this port speaks TLS; its address begins with https://")]
    SpeaksTls,
    /// The port speaks HTTP/1.1 alone.
    #[error("this port speaks HTTP/1.1, and gRPC needs HTTP/2")]
    SpeaksHttp1,
    /// TLS was agreed on, and HTTP/2 was not.
    #[error("this port does not speak HTTP/2 over TLS, which gRPC needs")]
    NoHttp2,
    /// The other end closed the connection instead of greeting.
    #[error("the connection ended before TLS began; does this port speak TLS?")]
    EndedBeforeTls,
    /// The other end is not trusted, or does not trust this one.
    #[error("TLS: {0}")]
    Tls(TlsError),
    /// The access node is not the one with the networking key.
    #[error("{0}")]
    AccessNode(PinError),
    /// No configuration of TLS can be made.
    #[error("{0}")]
    Config(TlsError),
}

/// What a connection was found to speak; the library in between hands on no error of ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<Mutex<Option<DialError>>>);

impl Said {
    pub(crate) fn note(&self, error: DialError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// What the newest connection was found to speak, if that is why it is of no use.
    pub(crate) fn heard(&self) -> Option<DialError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Opens connections to one address.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    address: Address,
    greeting: Option<Greeting>,
    proxies: Arc<Matcher>,
    tcp: HttpConnector,
    said: Said,
}

/// How TLS begins.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) trust: Trust,
    /// The networking key of the only node that is trusted.
    pub(crate) key: Option<NetworkKey>,
}

impl Connector {
    pub(crate) fn new(
        address: Address,
        greeting: Option<Greeting>,
        proxies: Arc<Matcher>,
        said: Said,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        Self { address, greeting, proxies, tcp, said }
    }

    async fn connect(self) -> Result<Stream, DialError> {
        self.said.clear();
        let stream = self.reach().await?;
        match &self.greeting {
            None => Ok(Stream::Plain(FirstBytes::new(stream, self.said))),
            Some(greeting) => {
                let stream = greeting.greet(stream, self.address.host()).await?;
                Ok(Stream::Tls(Box::new(stream), self.said))
            }
        }
    }

    /// The bare connection.
    async fn reach(&self) -> Result<TcpStream, DialError> {
        let to = self.address.origin();
        let named = if self.address.is_loopback() { None } else { self.proxies.intercept(&to) };
        let Some(proxy) = named else {
            let stream = self.tcp.clone().call(to).await;
            return Ok(stream.map_err(|error| DialError::Tcp(cause(&error)))?.into_inner());
        };
        let failed = |reason: String| DialError::Proxy { proxy: proxy.uri().to_string(), reason };
        if proxy.uri().scheme_str() != Some("http") {
            return Err(failed("only proxies of http:// are used".into()));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let stream = tunnel.call(to).await.map_err(|error| failed(cause(&error)))?;
        Ok(stream.into_inner())
    }
}

impl Greeting {
    async fn greet(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let config = match &self.key {
            Some(key) => self.trust.config_of(key.clone()),
            None => self.trust.config(),
        };
        let tls = TlsConnector::from(Arc::new(config.map_err(DialError::Config)?));
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| DialError::Tcp(format!("{host} is no name of a host")))?;
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| DialError::of_greeting(&error))?;
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            Ok(stream)
        } else {
            Err(DialError::NoHttp2)
        }
    }
}

impl DialError {
    /// Why TLS cannot be spoken, if that is why a connection failed.
    pub(crate) fn of_tls(error: &io::Error) -> Option<Self> {
        let found = error.get_ref().and_then(|source| source.downcast_ref::<TlsError>())?;
        Some(match found {
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Self::SpeaksPlaintext,
            TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => Self::NoHttp2,
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                let pin = inner.downcast_ref::<PinError>().cloned();
                pin.map_or_else(|| Self::Tls(found.clone()), Self::AccessNode)
            }
            other => Self::Tls(other.clone()),
        })
    }

    fn of_greeting(error: &io::Error) -> Self {
        Self::of_tls(error).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::EndedBeforeTls,
            _ => Self::Tcp(error.to_string()),
        })
    }
}

/// The first cause of an error.
fn cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// The URI is that of the address, which is known.
    fn call(&mut self, _uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { Ok(TokioIo::new(connector.connect().await?)) })
    }
}

/// How long a connection may be silent before the system asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(60);
