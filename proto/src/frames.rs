//! Length-prefixed blocks: a 4-byte big-endian length, then one `flow.entities.Block`.

use std::io::{self, Read, Write};

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

use crate::flow::entities;
use crate::memory::{self, MessageError};

/// Writes a block behind its length, and says how many bytes that took.
///
/// # Errors
/// When it cannot be written, or its message is longer than a length can say.
pub fn write_frame(writer: &mut impl Write, block: &entities::Block) -> io::Result<u64> {
    let message = block.encode_to_vec();
    let too_large = |_| io::Error::new(io::ErrorKind::InvalidData, "a block above 4 GiB");
    let length = u32::try_from(message.len()).map_err(too_large)?;
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(&message)?;
    Ok(4 + u64::from(length))
}

/// Reads blocks one after the other; ends for good after the first error.
#[derive(Debug)]
pub struct Frames<R> {
    reader: R,
    index: u64,
    offset: u64,
    failed: bool,
}

impl<R: Read> Frames<R> {
    /// Reads from the start of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, index: 0, offset: 0, failed: false }
    }

    /// Passes over so many blocks without decoding them, or over all that there are.
    ///
    /// # Errors
    /// When a block is cut short or too long, or the input fails.
    pub fn pass_over(&mut self, count: u64) -> Result<(), FrameError> {
        let last = self.index.saturating_add(count);
        while !self.failed && self.index < last {
            let sink = |mut message: io::Take<&mut R>| io::copy(&mut message, &mut io::sink());
            if self.noting_failure(|frames| frames.message(sink))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Option<entities::Block>, FrameErrorKind> {
        let mut bytes = Vec::new();
        let message = self.message(|mut message| Ok(message.read_to_end(&mut bytes)? as u64))?;
        message.map(|()| Ok(memory::decode(Bytes::from(bytes))?)).transpose()
    }

    /// Has a block's message read behind its length; `None` at the end of the input.
    fn message(
        &mut self,
        read: impl FnOnce(io::Take<&mut R>) -> io::Result<u64>,
    ) -> Result<Option<()>, FrameErrorKind> {
        let mut prefix = [0; 4];
        match self.fill(&mut prefix)? {
            0 => return Ok(None),
            4 => {}
            found => {
                return Err(FrameErrorKind::Truncated { expected: 4, found: found as u64 });
            }
        }
        let len = u32::from_be_bytes(prefix);
        if len > BLOCK_BYTES_MAX {
            return Err(FrameErrorKind::TooLarge { found: len });
        }
        let expected = u64::from(len);
        let found = read((&mut self.reader).take(expected))?;
        if found != expected {
            return Err(FrameErrorKind::Truncated { expected, found });
        }
        self.index += 1;
        self.offset += 4 + expected;
        Ok(Some(()))
    }

    /// Says of a failure in which block it is, and ends with it.
    fn noting_failure<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FrameErrorKind>,
    ) -> Result<T, FrameError> {
        let (index, offset) = (self.index, self.offset);
        let read = read(self).map_err(|kind| FrameError { index, offset, kind });
        self.failed = read.is_err();
        read
    }

    /// Reads until the buffer is full or the input ends.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = Result<entities::Block, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.noting_failure(Self::block).transpose()
    }
}

/// A block that cannot be read, and where it is.
#[derive(Debug, Error)]
#[error("block {index}, at byte {offset} of the uncompressed file: {kind}")]
pub struct FrameError {
    /// Position among the blocks, from 0.
    pub index: u64,
    /// Where its length begins.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub kind: FrameErrorKind,
}

/// What is wrong with a frame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameErrorKind {
    /// The input ends inside it.
    #[error("the file is cut short: expected {expected} bytes, found {found}")]
    Truncated {
        /// Bytes expected.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Its length is above the limit.
    #[error("a block has at most {BLOCK_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// Length found.
        found: u32,
    },
    /// It is no block.
    #[error("not a block message: {0}")]
    Protobuf(#[from] MessageError),
    /// The input fails.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

/// Most bytes of one block's message.
pub const BLOCK_BYTES_MAX: u32 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let block = entities::Block { height: 7, ..Default::default() }.encode_to_vec();
        let len = u32::try_from(block.len()).unwrap().to_be_bytes();
        [&len[..], &block, &len, &block].concat()
    }

    fn last(bytes: &[u8]) -> FrameError {
        Frames::new(bytes).last().unwrap().unwrap_err()
    }

    #[bounded::test]
    fn reads_to_the_end() {
        let heights: Vec<_> = Frames::new(&file()[..]).map(|block| block.unwrap().height).collect();
        assert_eq!(heights, [7, 7]);
        assert!(Frames::new(&[][..]).next().is_none());
    }

    #[bounded::test]
    fn passes_over_blocks_up_to_the_end_and_stops_where_one_is_cut() {
        let file = file();
        for (count, left) in [(0, 2), (1, 1), (2, 0), (9, 0)] {
            let mut frames = Frames::new(&file[..]);
            frames.pass_over(count).unwrap();
            assert_eq!(frames.count(), left);
        }
        let mut frames = Frames::new(&file[..file.len() - 1]);
        let error = frames.pass_over(2).unwrap_err();
        assert_eq!((error.index, error.offset), (1, file.len() as u64 / 2));
        assert!(frames.next().is_none());
    }

    #[bounded::test]
    fn says_where_the_file_is_cut() {
        let file = file();
        for cut in file.len() / 2 + 1..file.len() {
            let error = last(&file[..cut]);
            assert_eq!((error.index, error.offset), (1, file.len() as u64 / 2));
            assert!(matches!(error.kind, FrameErrorKind::Truncated { .. }), "{error}");
        }
    }

    #[bounded::test]
    fn believes_no_length_above_the_limit() {
        let error = last(&[0xff; 8]);
        assert!(matches!(error.kind, FrameErrorKind::TooLarge { found: u32::MAX }), "{error}");
    }
}
