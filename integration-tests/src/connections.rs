//! Connections that break, stall or drip in the middle of an answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, timeout};
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::Server;
use weir_protocol::model::Identifier;

use crate::programs::PATIENCE;
use crate::random::Xorshift;

/// What a broken proxy does after it has passed on a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Closes the connection.
    Close,
    /// Passes nothing on any more, and keeps the connection open.
    Stall,
    /// Passes on one byte in this time.
    Drip(Duration),
}

/// Starts a proxy on a free port that passes on so many bytes of each connection's answers, and
/// returns its URL.
///
/// # Panics
/// When there is no free port.
pub async fn broken_proxy(to: SocketAddr, bytes: u64, then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, to, bytes, then));
        }
    });
    format!("http://{address}")
}

/// Starts a proxy on a free port whose connections each break in their own way after some bytes, and
/// returns its URL. A seed brings the same breaks to the same connections, in the order they come.
///
/// # Panics
/// When there is no free port, or the seed is 0.
pub async fn chaotic_proxy(to: Vec<SocketAddr>, seed: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let mut random = Xorshift::new(seed);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let bytes = 200 << random.below(11);
            let then = match random.below(40) {
                0 => Then::Stall,
                1 => Then::Drip(Duration::from_millis(1)),
                _ => Then::Close,
            };
            let to = to[random.index(to.len())];
            tokio::spawn(pass_on(client, to, bytes, then));
        }
    });
    format!("http://{address}")
}

async fn pass_on(mut client: TcpStream, to: SocketAddr, bytes: u64, then: Then) -> io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        tokio::io::copy(&mut (&mut from_server).take(bytes), &mut to_client).await?;
        match then {
            Then::Close => to_client.shutdown().await,
            Then::Stall => std::future::pending().await,
            Then::Drip(pause) => drip(&mut from_server, &mut to_client, pause).await,
        }
    };
    tokio::select! { done = up => done.map(|_| ()), done = down => done }
}

async fn drip(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    pause: Duration,
) -> io::Result<()> {
    let mut pace = interval(pause);
    loop {
        let byte = from.read_u8().await?;
        pace.tick().await;
        to.write_u8(byte).await?;
        to.flush().await?;
    }
}

/// Starts a light client that waits at most `limit` for an answer.
///
/// # Errors
/// As [`LightClient::start`].
///
/// # Panics
/// When that takes longer than any test should wait.
pub async fn start_within(
    limit: Duration,
    url: &str,
    checkpoint_id: Identifier,
) -> Result<LightClient, AskError> {
    let endless = "an answer or an error in time";
    let server = timeout(PATIENCE, Server::connect(url)).await.expect(endless)?;
    let server = server.with_request_timeout(limit);
    timeout(PATIENCE, LightClient::start(server, checkpoint_id)).await.expect(endless)
}
