//! One connection, with an eye on how long it is quiet.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::connections::Limits;
use crate::places::Place;

/// A connection that was admitted; its place is free again when it is dropped.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    place: Place,
    /// Bytes heard, as far as it is to be known whether a request began.
    heard: usize,
    quiet: Duration,
    untaken: Duration,
    /// When a request has to have begun; from then on, when to look whether it was quiet for too long.
    look: Pin<Box<Sleep>>,
    /// When what is being sent has not been taken for too long.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, place: Place, limits: &Limits) -> Self {
        let Limits { first_bytes, quiet, untaken, .. } = *limits;
        let look = Box::pin(sleep_until(place.heard() + first_bytes));
        Self { stream, place, heard: 0, quiet, untaken, look, stuck: None }
    }

    /// Whether another needs the place, or nothing was heard for too long.
    fn ends(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if Pin::new(&mut self.place.leaves).poll(cx).is_ready() {
            return Some(ended("gave_place", ErrorKind::ConnectionAborted));
        }
        while self.look.as_mut().poll(cx).is_ready() {
            // A request has to begin in time, whatever comes before it byte by byte.
            if self.heard < BEGINNING_BYTES {
                return Some(ended("silent", ErrorKind::TimedOut));
            }
            let end = self.place.heard() + self.quiet;
            if Instant::now() >= end {
                return Some(ended("quiet", ErrorKind::TimedOut));
            }
            self.look.as_mut().reset(end);
        }
        None
    }

    /// Passes on what became of sending, unless nothing was taken for too long.
    fn sent<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stuck = None;
            return sent;
        }
        let untaken = self.untaken;
        let stuck =
            self.stuck.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + untaken)));
        if stuck.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(ended("untaken", ErrorKind::TimedOut)));
        }
        Poll::Pending
    }
}

fn ended(why: &'static str, kind: ErrorKind) -> io::Error {
    metrics::counter!("connections_ended_total", "why" => why).increment(1);
    io::Error::new(kind, why)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let found = buffer.filled().len() - before;
        if found > 0 {
            let now = Instant::now();
            self.place.hear(now);
            if self.heard < BEGINNING_BYTES && self.heard + found >= BEGINNING_BYTES {
                let patience = self.quiet;
                self.look.as_mut().reset(now + patience);
            }
            self.heard = self.heard.saturating_add(found);
        }
        match self.ends(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.sent(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(cx, sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

/// Bytes from which on a request has begun: the preface of HTTP/2 has 24, and no request of HTTP/1.1 to a
/// gRPC method has less.
const BEGINNING_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;
    use crate::{Port, Secured, connections};

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(50);

    fn patient() -> Limits {
        Limits { total: 10, per_address: 1, first_bytes: LONG, quiet: LONG, untaken: LONG }
    }

    async fn listen(limits: Limits) -> (SocketAddr, ReceiverStream<io::Result<Secured>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, connections(Port { listener, limits, tls: None }))
    }

    async fn pair(
        address: SocketAddr,
        incoming: &mut ReceiverStream<io::Result<Secured>>,
    ) -> (TcpStream, Secured) {
        let client = TcpStream::connect(address).await.unwrap();
        (client, incoming.next().await.unwrap().unwrap())
    }

    async fn why(connection: &mut Secured) -> String {
        let mut bytes = [0; 64];
        loop {
            match connection.read(&mut bytes).await {
                Ok(0) => return "end".to_owned(),
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    }

    #[bounded::test]
    async fn one_that_begins_no_request_ends_and_one_that_does_goes_on() {
        let limits = Limits { first_bytes: SHORT, ..patient() };
        let (address, mut incoming) = listen(limits).await;
        let (_silent, mut connection) = pair(address, &mut incoming).await;
        assert_eq!(why(&mut connection).await, "silent");
        let (mut slow, mut connection) = pair(address, &mut incoming).await;
        slow.write_all(&[1; BEGINNING_BYTES - 1]).await.unwrap();
        assert_eq!(why(&mut connection).await, "silent");
        let (mut client, mut connection) = pair(address, &mut incoming).await;
        client.write_all(&[1; BEGINNING_BYTES]).await.unwrap();
        connection.read_exact(&mut [0; BEGINNING_BYTES]).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(2 * SHORT).await;
        tokio::time::resume();
        drop(client);
        assert_eq!(why(&mut connection).await, "end");
    }

    #[bounded::test]
    async fn one_that_falls_quiet_ends() {
        let (address, mut incoming) = listen(Limits { quiet: SHORT, ..patient() }).await;
        let (mut client, mut connection) = pair(address, &mut incoming).await;
        client.write_all(&[1; BEGINNING_BYTES]).await.unwrap();
        assert_eq!(why(&mut connection).await, "quiet");
    }

    #[bounded::test]
    async fn one_that_takes_nothing_ends() {
        let (address, mut incoming) = listen(Limits { untaken: SHORT, ..patient() }).await;
        let (client, mut connection) = pair(address, &mut incoming).await;
        let piece = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = connection.write_all(&piece).await {
                break error;
            }
        };
        assert_eq!(error.to_string(), "untaken");
        drop(client);
    }

    #[bounded::test]
    async fn the_quietest_makes_room_for_one_more() {
        let (address, mut incoming) = listen(Limits { total: 2, ..patient() }).await;
        let (mut first, mut first_served) = pair(address, &mut incoming).await;
        let (_second, mut second_served) = pair(address, &mut incoming).await;
        first.write_all(&[1]).await.unwrap();
        first_served.read_exact(&mut [0]).await.unwrap();
        let (mut third, mut third_served) = pair(address, &mut incoming).await;
        assert_eq!(why(&mut second_served).await, "gave_place");
        for (client, served) in [(&mut first, &mut first_served), (&mut third, &mut third_served)] {
            client.write_all(&[2]).await.unwrap();
            let mut byte = [0];
            served.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [2]);
        }
    }
}
