//! The first bytes that a server sends, which tell what it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connector::{DialError, Said};

/// A connection in clear that looks at how it begins.
#[derive(Debug)]
pub(crate) struct FirstBytes<S> {
    stream: S,
    said: Said,
    looked: bool,
}

impl<S> FirstBytes<S> {
    pub(crate) fn new(stream: S, said: Said) -> Self {
        Self { stream, said, looked: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let found = &buffer.filled()[before..];
        if !self.looked && !found.is_empty() {
            self.looked = true;
            // A frame of HTTP/2 of such a length is never a connection's first.
            let error = match found {
                [ALERT, TLS_MAJOR, ..] => Some(DialError::SpeaksTls),
                [b'H', b'T', b'T', b'P', b'/', b'1', ..] => Some(DialError::SpeaksHttp1),
                _ => None,
            };
            if let Some(error) = error {
                self.said.note(error);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The type of a TLS record that says why the connection ends.
const ALERT: u8 = 0x15;
const TLS_MAJOR: u8 = 3;
