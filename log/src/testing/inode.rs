//! The content of one file, as everybody reads it and as it would be after a power cut.

use super::Chance;

/// A file without its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) content: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    /// `lost`: a sync failed since, so that no later one writes it.
    Write {
        offset: usize,
        bytes: Vec<u8>,
        lost: bool,
    },
    Length(usize),
}

impl Inode {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        overwrite(&mut self.content, offset, bytes);
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_vec(), lost: false });
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.content.resize(length, 0);
        self.unsynced.push(Change::Length(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { offset, bytes, lost: false } => {
                    overwrite(&mut self.synced, offset, &bytes);
                }
                // Its length is there, its bytes are not.
                Change::Write { offset, bytes, lost: true } => {
                    let end = (offset + bytes.len()).max(self.synced.len());
                    self.synced.resize(end, 0);
                }
                Change::Length(length) => self.synced.resize(length, 0),
            }
        }
    }

    /// A sync that fails: what was written stays readable, and counts as clean from now on.
    pub(super) fn fail_sync(&mut self) {
        for change in &mut self.unsynced {
            if let Change::Write { lost, .. } = change {
                *lost = true;
            }
        }
    }

    /// What a power cut leaves: what was synced, and of the rest what chance keeps.
    pub(super) fn cut_power(&mut self, kept: &mut impl FnMut() -> Kept) {
        for change in std::mem::take(&mut self.unsynced) {
            match (change, kept()) {
                (_, Kept::Nothing) => {}
                (Change::Write { offset, bytes, .. }, Kept::All) => {
                    overwrite(&mut self.synced, offset, &bytes);
                }
                (Change::Length(length), _) => self.synced.resize(length, 0),
                (Change::Write { offset, bytes, .. }, Kept::Part(mut chance)) => {
                    keep_part(&mut self.synced, offset, &bytes, &mut chance);
                }
            }
        }
        self.content.clone_from(&self.synced);
    }

    /// Changes the bytes for all, as a disk that decays does.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(&mut self.content);
        self.synced.clone_from(&self.content);
        self.unsynced.clear();
    }
}

/// What a power cut keeps of one change that was not synced.
pub(super) enum Kept {
    Nothing,
    All,
    /// Some of its pieces, the others zeros or what was there.
    Part(Chance),
}

fn keep_part(content: &mut Vec<u8>, offset: usize, bytes: &[u8], chance: &mut Chance) {
    if chance.below(2) == 0 {
        let length = chance.below(bytes.len() + 1);
        return overwrite(content, offset, &bytes[..length]);
    }
    for (index, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
        if chance.below(2) == 0 {
            overwrite(content, offset + index * PIECE_BYTES, piece);
        }
    }
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Smaller than a sector, so that small tests tear as large files do.
const PIECE_BYTES: usize = 64;
