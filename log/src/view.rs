//! What readers see of a log: which segments there are, and where the records of the open one begin.

use crate::segment::{self, HEAD_END, Sealed};

/// The segments, and the announced ordinals in them.
#[derive(Debug)]
pub(crate) struct View {
    /// Counts the times that files were replaced or removed below readers.
    pub(crate) generation: u64,
    /// The first ordinal, which begins a segment.
    pub(crate) first: u64,
    /// In order, without gaps, up to the open one.
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) open: OpenSegment,
    /// The ordinals before which there is a checkpoint, ascending; each begins a segment.
    pub(crate) checkpoints: Vec<u64>,
}

/// The newest segment.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) first: u64,
    /// Where each record begins.
    pub(crate) offsets: Vec<u32>,
    /// Where the last one ends.
    pub(crate) records_end: u32,
    /// The ID of the newest record, also when it is in the segment before; zeros in an empty log.
    pub(crate) newest: [u8; 32],
}

/// Where to look for a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Between two offsets.
    Open { first: u64, begin: u32, end: u32 },
    /// Where the table of a sealed segment says.
    Sealed(Sealed),
}

impl View {
    /// The ordinal after the last.
    pub(crate) fn end(&self) -> u64 {
        self.open.end()
    }

    pub(crate) fn place(&self, ordinal: u64) -> Option<Place> {
        if ordinal < self.first || ordinal >= self.end() {
            return None;
        }
        if let Some(index) = ordinal.checked_sub(self.open.first) {
            let index = usize::try_from(index).ok()?;
            let begin = *self.open.offsets.get(index)?;
            let end = self.open.offsets.get(index + 1).copied().unwrap_or(self.open.records_end);
            return Some(Place::Open { first: self.open.first, begin, end });
        }
        let at = self.sealed.partition_point(|sealed| sealed.end() <= ordinal);
        self.sealed.get(at).copied().map(Place::Sealed)
    }

    /// The first ordinals of all segments.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = u64> + '_ {
        self.sealed.iter().map(|sealed| sealed.first).chain([self.open.first])
    }
}

impl OpenSegment {
    pub(crate) const fn empty(first: u64, newest: [u8; 32]) -> Self {
        Self { first, offsets: Vec::new(), records_end: HEAD_END, newest }
    }

    pub(crate) fn end(&self) -> u64 {
        self.first + self.offsets.len() as u64
    }

    /// Forgets the records from an ordinal on. The ID of the newest is then not known any more.
    pub(crate) fn cut_back(&mut self, end: u64) {
        let count = usize::try_from(end.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if let Some(records_end) = self.offsets.get(count) {
            self.records_end = *records_end;
            self.offsets.truncate(count);
        }
    }

    pub(crate) fn name(&self) -> String {
        segment::name(self.first)
    }
}
