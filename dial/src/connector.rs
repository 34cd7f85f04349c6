//! Opening one connection: through a proxy where the environment names one, and with TLS.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
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
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as TlsError, InvalidMessage, OtherError,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::address::Address;
use crate::heard::Heard;
use crate::maybe_tls::MaybeTls;
use crate::network_key::PinError;
use crate::trust::HTTP2;

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

    /// Nothing speaks against the newest connection, or there is none.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Opens connections to one address.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    address: Address,
    /// How TLS begins, where it is spoken.
    tls: Option<Result<Arc<ClientConfig>, TlsError>>,
    proxies: Arc<Matcher>,
    tcp: HttpConnector,
    said: Said,
}

impl Connector {
    pub(crate) fn new(
        address: Address,
        tls: Option<Result<Arc<ClientConfig>, TlsError>>,
        proxies: Arc<Matcher>,
        said: Said,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        Self { address, tls, proxies, tcp, said }
    }

    async fn connect(self) -> Result<Heard, DialError> {
        let stream = self.reach().await.inspect_err(|_| self.said.clear())?;
        let stream = match self.tls {
            None => MaybeTls::Plain(stream),
            Some(config) => {
                let config = config.map_err(DialError::Config)?;
                MaybeTls::Tls(Box::new(greet(stream, config, self.address.host()).await?))
            }
        };
        Ok(Heard::new(stream, self.said))
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

async fn greet(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    host: &str,
) -> Result<TlsStream<TcpStream>, DialError> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| DialError::Tcp(format!("{host} is no name of a host")))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream = stream.map_err(|error| DialError::of_greeting(&error))?;
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        Ok(stream)
    } else {
        Err(DialError::NoHttp2)
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

type AnyError = dyn StdError + 'static;

/// An error, and what caused it, down to the first cause.
pub(crate) fn causes(error: &AnyError) -> impl Iterator<Item = &AnyError> {
    successors(Some(error), |&error| error.source())
}

/// The first cause of an error.
pub(crate) fn cause(error: &AnyError) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Heard>;
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
