//! Accepting connections within limits.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use weir_dial::MaybeTls;

use crate::connection::Connection;
use crate::places::Places;
use crate::tls::Tls;

/// How many connections there may be, and how long one may be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Whoever comes then takes the place of the one that was quiet for longest.
    pub total: usize,
    /// Connections at once of one address, or of one network of 64 bits in IPv6; those from this machine
    /// are not counted, as a front end has many clients.
    pub per_address: usize,
    /// Longest time until a request begins.
    pub first_bytes: Duration,
    /// Longest time without a byte from the other end. HTTP/2 asks for a sign of life more often.
    pub quiet: Duration,
    /// Longest time that the other end may take no byte of what is sent to it.
    pub untaken: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 1000,
            per_address: 100,
            first_bytes: Duration::from_secs(10),
            quiet: Duration::from_secs(90),
            untaken: Duration::from_secs(30),
        }
    }
}

/// A server for [`connections`]: whoever only listens gives a sign of life when it is asked for one, and
/// whoever is gone without a word gives up its place.
#[must_use]
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

/// Where a server is reached, and by whom.
#[derive(Debug)]
pub struct Port {
    /// What accepts connections.
    pub listener: TcpListener,
    /// How many.
    pub limits: Limits,
    /// Encrypts them.
    pub tls: Option<Tls>,
}

impl From<TcpListener> for Port {
    /// In clear, within the usual limits.
    fn from(listener: TcpListener) -> Self {
        Self { listener, limits: Limits::default(), tls: None }
    }
}

/// A connection that was admitted, in clear or with TLS.
pub type Secured = MaybeTls<Connection, TlsStream<Connection>>;

/// The connections that a port admits, within a runtime. The listener goes with the stream.
#[must_use]
pub fn connections(port: Port) -> ReceiverStream<io::Result<Secured>> {
    let Port { listener, limits, tls } = port;
    // One at hand is enough: others wait in the listener's own queue.
    let (sender, receiver) = mpsc::channel(1);
    let places = Places::new(limits.total, limits.per_address);
    let mut acceptor = Acceptor { listener, limits, places, pause: None };
    tokio::spawn(async move {
        loop {
            let connection = tokio::select! {
                connection = acceptor.next() => connection,
                () = sender.closed() => return,
            };
            match &tls {
                Some(tls) => {
                    let (tls, sender) = (tls.clone(), sender.clone());
                    tokio::spawn(greet(connection, tls, limits.first_bytes, sender));
                }
                None if sender.send(Ok(Secured::Plain(connection))).await.is_err() => return,
                None => {}
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Agrees on TLS, beside others that do. A connection that does not is not told of.
async fn greet(
    connection: Connection,
    tls: Tls,
    within: Duration,
    sender: mpsc::Sender<io::Result<Secured>>,
) {
    let greeting = TlsAcceptor::from(tls.config()).accept(connection).into_fallible();
    match timeout(within, greeting).await {
        // Nobody is there to take it when the server has ended.
        Ok(Ok(stream)) => drop(sender.send(Ok(Secured::Tls(Box::new(stream)))).await),
        Ok(Err((error, connection))) => {
            metrics::counter!("connections_ended_total", "why" => "tls").increment(1);
            tracing::debug!(%error, "no TLS was agreed on");
            // Whoever has gone hears nothing.
            drop(timeout(within, hear_out(connection)).await);
        }
        Err(_) => metrics::counter!("connections_ended_total", "why" => "silent").increment(1),
    }
}

/// Ends a connection so that the other end learns why: whoever closes one with bytes unread takes back what
/// was sent last.
async fn hear_out(mut connection: Connection) -> io::Result<()> {
    connection.shutdown().await?;
    tokio::io::copy(&mut connection, &mut tokio::io::sink()).await.map(|_| ())
}

struct Acceptor {
    listener: TcpListener,
    limits: Limits,
    places: Places,
    /// How long it waited after the latest failure, if nothing came since.
    pause: Option<Duration>,
}

impl Acceptor {
    async fn next(&mut self) -> Connection {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.rest(&error).await;
                    continue;
                }
            };
            self.pause = None;
            let Ok(place) = self.places.take(address.ip()) else {
                metrics::counter!("connections_refused_total").increment(1);
                tracing::debug!(%address, "has too many connections");
                continue;
            };
            // Answers are written in two pieces; without this the second waits for an acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%address, %error, "ended at once");
                continue;
            }
            return Connection::new(stream, place, &self.limits);
        }
    }

    /// Waits after a failure, longer each time, unless it was that of one connection.
    async fn rest(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        if self.pause.is_none() {
            tracing::warn!(%error, "no connection can be accepted; raise the limit of open files");
        }
        let pause = self.pause.map_or(PAUSE_MIN, |pause| (pause * 2).min(PAUSE_MAX));
        self.pause = Some(pause);
        sleep(pause).await;
    }
}

/// How often HTTP/2 asks for a sign of life, which is well within the time that a connection may be quiet.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it waits for one.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);
