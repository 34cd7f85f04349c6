//! A connection, in clear or with TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::connector::{DialError, Said};
use crate::first_bytes::FirstBytes;

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(FirstBytes<TcpStream>),
    Tls(Box<TlsStream<TcpStream>>, Said),
}

/// What both kinds can do.
trait Both: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Both for S {}

impl Stream {
    fn both(&mut self) -> Pin<&mut dyn Both> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.both().poll_read(cx, buffer);
        // A server may refuse a client's certificate, or want one, after the client took TLS for agreed.
        if let (Self::Tls(_, said), Poll::Ready(Err(error))) = (&*self, &read)
            && let Some(refused) = DialError::of_tls(error)
        {
            said.note(refused);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.both().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.both().poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.both().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.both().poll_shutdown(cx)
    }
}
