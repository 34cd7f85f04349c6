//! What a server is heard to say that makes its connection of no use.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::connector::{DialError, Said};
use crate::maybe_tls::MaybeTls;

/// A connection that notes why it cannot be used: in clear by how it begins, with TLS by how it ends.
#[derive(Debug)]
pub(crate) struct Heard {
    stream: MaybeTls<TcpStream, TlsStream<TcpStream>>,
    said: Said,
    /// Whether its beginning was looked at.
    looked: bool,
}

impl Heard {
    pub(crate) fn new(stream: MaybeTls<TcpStream, TlsStream<TcpStream>>, said: Said) -> Self {
        Self { stream, said, looked: false }
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        // A server may refuse a client's certificate, or want one, after the client took TLS for agreed.
        if let Poll::Ready(Err(error)) = &read
            && let Some(refused) = DialError::of_tls(error)
        {
            self.said.note(refused);
        }
        let found = &buffer.filled()[before..];
        if !self.looked && !found.is_empty() {
            self.looked = true;
            // Whoever agreed on TLS and HTTP/2 speaks both.
            let clear = matches!(self.stream, MaybeTls::Plain(_));
            if let Some(error) = foreign(found).filter(|_| clear) {
                self.said.note(error);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            // Not sooner: a call on the connection before may still ask why that was of no use.
            self.said.clear();
        }
        read
    }
}

/// What else than HTTP/2 begins like this.
fn foreign(first_bytes: &[u8]) -> Option<DialError> {
    match first_bytes {
        // A frame of HTTP/2 of such a length is never a connection's first.
        [ALERT, TLS_MAJOR, ..] => Some(DialError::SpeaksTls),
        [b'H', b'T', b'T', b'P', b'/', b'1', ..] => Some(DialError::SpeaksHttp1),
        _ => None,
    }
}

impl Heard {
    /// Passes on what became of sending; when the other end is gone, after what it said before it went.
    fn sent<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(sent, Poll::Ready(Err(_))) && !self.looked {
            // It may not be here yet, but something comes: at least the end. What comes is noted.
            let mut first_bytes = [0; FIRST_BYTES];
            let heard = Pin::new(self).poll_read(cx, &mut ReadBuf::new(&mut first_bytes));
            let _ = ready!(heard);
        }
        sent
    }
}

impl AsyncWrite for Heard {
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
        bytes: &[io::IoSlice<'_>],
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

/// As many as tell what a port speaks.
const FIRST_BYTES: usize = 16;
/// The type of a TLS record that says why the connection ends.
const ALERT: u8 = 0x15;
const TLS_MAJOR: u8 = 3;
