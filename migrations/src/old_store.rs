//! Reading a store of format 3, which kept blocks in its database, to make one of format 4 of it.
//!
//! Format 3 has, in one tree: under `02` and a page's number 128 block records, under `0a` and an
//! ordinal those after the last full page; under `03` the payloads of 16 blocks, under `0b` those
//! after; under `09` the root snapshot; under `01` the head, whose third field is the number of blocks.
//! A record is the RLP list of header, four roots, protocol state ID, proposer's signature, and more.

use std::path::Path;

use crate::database::{Database, guarded};
use crate::error::DatabaseError;
use crate::format::{self, FormatError};
use crate::registry::StepError;
use crate::steps::frozen::{
    PAYLOAD_PAGE, PAYLOAD_ROW, PAYLOADS_PER_PAGE, ROOT_SNAPSHOT, content, item, items, numbered,
};

/// A store of format 3, locked.
#[derive(Debug)]
pub struct OldStore {
    database: Database,
    blocks: u64,
}

/// A block of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldBlock {
    /// RLP of the header.
    pub header: Vec<u8>,
    /// ID of the protocol state.
    pub protocol_state_id: [u8; 32],
    /// The proposer's own signature.
    pub proposer_sig_data: Vec<u8>,
    /// The payload as it was stored; `None` when it was pruned.
    pub payload: Option<Vec<u8>>,
}

impl OldStore {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// When it is in use or damaged, or of another format.
    pub fn open(folder: &Path) -> Result<Self, OldStoreError> {
        let database = Database::open(folder, CACHE_BYTES)?;
        let version = format::read_version(database.tree(), folder)?;
        if version != Some(VERSION) {
            return Err(OldStoreError::Version { found: version.unwrap_or_default() });
        }
        let mut store = Self { database, blocks: 0 };
        let head = store.entry(&[HEAD])?.ok_or_else(|| missing(&[HEAD]))?;
        let fields = items(&head).ok_or_else(|| missing(&[HEAD]))?;
        let blocks = fields.get(2).and_then(|field| uint(field.body));
        store.blocks = blocks.ok_or_else(|| missing(&[HEAD]))?;
        Ok(store)
    }

    /// How many blocks it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The root snapshot, JSON as the source gave it.
    ///
    /// # Errors
    /// When it is damaged or missing.
    pub fn root_snapshot(&self) -> Result<Vec<u8>, OldStoreError> {
        let key = [ROOT_SNAPSHOT];
        Ok(self.entry(&key)?.ok_or_else(|| missing(&key))?)
    }

    /// The blocks from an ordinal on, to the end of its page at most; none from the last on.
    ///
    /// # Errors
    /// When an entry is damaged or missing.
    pub fn blocks_from(&self, first: u64) -> Result<Vec<OldBlock>, OldStoreError> {
        let end = (first / PAYLOADS_PER_PAGE + 1) * PAYLOADS_PER_PAGE;
        let end = end.min(self.blocks);
        let page = numbered(PAYLOAD_PAGE, first / PAYLOADS_PER_PAGE);
        let payloads = self.entry(&page)?;
        let records_page = numbered(BLOCK_PAGE, first / BLOCKS_PER_PAGE);
        let records = self.entry(&records_page)?;
        (first..end)
            .map(|ordinal| {
                let position =
                    |per_page: u64| usize::try_from(ordinal % per_page).unwrap_or_default();
                let row = numbered(BLOCK_ROW, ordinal);
                let record = match &records {
                    Some(page) => nth(page, position(BLOCKS_PER_PAGE)),
                    None => self.entry(&row)?,
                };
                let record = record.ok_or_else(|| missing(&row))?;
                let payload = match &payloads {
                    Some(page) => nth(page, position(PAYLOADS_PER_PAGE)),
                    None => self.entry(&numbered(PAYLOAD_ROW, ordinal))?,
                };
                block(&record, payload).ok_or_else(|| missing(&row).into())
            })
            .collect()
    }

    fn entry(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StepError> {
        let read = guarded(|| self.database.tree().get(key));
        let value = read.map_err(|panic| StepError::damaged(key, panic))??;
        let damaged = || StepError::damaged(key, "it is not as format 3 has it");
        value.map(|value| content(key, &value).ok_or_else(damaged)).transpose()
    }
}

fn missing(key: &[u8]) -> StepError {
    StepError::damaged(key, "it is missing, or not as format 3 has it")
}

/// The RLP item at a position of a list.
fn nth(page: &[u8], position: usize) -> Option<Vec<u8>> {
    Some(items(page)?.get(position)?.whole.to_vec())
}

fn block(record: &[u8], payload: Option<Vec<u8>>) -> Option<OldBlock> {
    let fields = items(record)?;
    let field = |position: usize| fields.get(position);
    let payload = match payload {
        // A payload is a byte string in its page or row.
        Some(payload) => Some(item(&payload)?.0.body.to_vec()),
        None => None,
    };
    Some(OldBlock {
        header: field(0)?.whole.to_vec(),
        protocol_state_id: field(STATE_POSITION)?.body.try_into().ok()?,
        proposer_sig_data: field(SIGNATURE_POSITION)?.body.to_vec(),
        payload,
    })
}

fn uint(body: &[u8]) -> Option<u64> {
    body.iter().try_fold(0u64, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()))
}

/// Why a store of format 3 could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OldStoreError {
    /// The folder's format could not be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// It has another format.
    #[error("the database has format {found} instead of 3")]
    Version {
        /// Its format.
        found: u32,
    },
    /// An entry is damaged or missing.
    #[error(transparent)]
    Entry(#[from] StepError),
}

const VERSION: u32 = 3;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const HEAD: u8 = 0x01;
const BLOCK_PAGE: u8 = 0x02;
const BLOCK_ROW: u8 = 0x0a;
const BLOCKS_PER_PAGE: u64 = 128;
/// After the header and four roots.
const STATE_POSITION: usize = 5;
const SIGNATURE_POSITION: usize = 6;
