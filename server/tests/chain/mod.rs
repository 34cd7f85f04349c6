//! A deterministic chain with forks, and the batches that store it.

use std::path::Path;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity, payload_hash, sha3_256};
use weir_protocol::model::{Header, Identifier};
use weir_server::store::{
    BlockRecord, BlockRef, ChainInfo, EpochRecord, Head, NewStore, Opened, SealedRef, Store,
    StoreOptions, WriteBatch, payload_roots,
};

/// Height of the first block.
pub(crate) const FIRST_HEIGHT: u64 = 1000;
const HEIGHTS_PER_EPOCH: u64 = 50;

/// Blocks in the order of ingestion, every seventh an orphan.
pub(crate) struct Chain {
    pub(crate) blocks: Vec<BlockRecord>,
    pub(crate) refs: Vec<BlockRef>,
    pub(crate) parents: Vec<Option<u64>>,
    /// Ordinals of the main chain, by height.
    pub(crate) main: Vec<u64>,
    payload_len: usize,
}

impl Chain {
    pub(crate) fn new(len: u64) -> Self {
        Self::with_payloads(len, 300)
    }

    pub(crate) fn with_payloads(len: u64, payload_len: usize) -> Self {
        let (blocks, refs, parents, main) = Default::default();
        let mut chain = Self { blocks, refs, parents, main, payload_len };
        (0..len).for_each(|_| chain.grow());
        chain
    }

    fn grow(&mut self) {
        let ordinal = self.blocks.len() as u64;
        let parent = self.main.last().copied();
        let parent_ref = parent.map(|parent| self.refs[parent as usize]);
        let height = parent_ref.map_or(FIRST_HEIGHT, |parent| parent.height + 1);
        let protocol_state_id = sha3_256(&[&preimage(epoch(height))]);
        let roots = payload_roots(&self.payload(ordinal), protocol_state_id).unwrap();
        let header = Header {
            chain_id: "flow-weir".to_owned(),
            parent_id: parent_ref.map_or(Identifier::ZERO, |parent| parent.id),
            height,
            payload_hash: payload_hash(&roots),
            timestamp_ms: 1_700_000_000_000 + ordinal * 500,
            view: 5000 + ordinal,
            parent_view: parent_ref.map_or(0, |parent| parent.view),
            parent_voter_indices: vec![0xf0; 18],
            parent_voter_sig_data: noise(ordinal, 200),
            proposer_id: hash("proposer", ordinal % 80),
            last_view_tc_id: Identifier::ZERO,
        };
        self.refs.push(BlockRef { ordinal, id: header.id(), height, view: header.view });
        let orphan = ordinal % 7 == 3;
        if !orphan {
            self.main.push(ordinal);
        }
        self.parents.push(parent);
        self.blocks.push(BlockRecord {
            header,
            protocol_state_id,
            proposer_sig_data: noise(ordinal + 1, 100),
            last_sealed: SealedRef::Stored(self.sealed().ordinal),
            epoch_counter: epoch(height),
        });
    }

    /// Four lists and a fifth item, of which the store knows no more.
    pub(crate) fn payload(&self, ordinal: u64) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.list(|e| e.bytes(&noise(ordinal, self.payload_len)));
            e.list(|e| e.uint(ordinal));
            (0..3).for_each(|_| e.list(|_| ()));
        });
        encoder.finish()
    }

    fn finalized_len(&self, blocks: usize) -> usize {
        let main = self.main.iter().take_while(|ordinal| **ordinal < blocks as u64).count();
        main.saturating_sub(2).max(1)
    }

    fn sealed(&self) -> BlockRef {
        self.sealed_of(self.finalized_len(self.refs.len()))
    }

    fn sealed_of(&self, finalized_len: usize) -> BlockRef {
        self.refs[self.main[finalized_len.saturating_sub(3).max(1) - 1] as usize]
    }

    pub(crate) fn head(&self, blocks: usize) -> Head {
        let finalized_len = self.finalized_len(blocks);
        let finalized = self.refs[self.main[finalized_len - 1] as usize];
        Head {
            chain: ChainInfo {
                chain_id: "flow-weir".to_owned(),
                spork_id: hash("spork", 0),
                spork_root_block_height: FIRST_HEIGHT,
                spork_root_block_view: 5000,
            },
            first_height: FIRST_HEIGHT,
            blocks: blocks as u64,
            highest_view: self.refs[blocks - 1].view,
            finalized,
            sealed: self.sealed_of(finalized_len),
            resume_ordinal: finalized.ordinal,
            epoch_counter: epoch(finalized.height),
            first_epoch_counter: epoch(FIRST_HEIGHT),
            conflicting: None,
        }
    }

    /// The batch that brings a store from `start` to `end` blocks.
    pub(crate) fn batch(&self, start: usize, end: usize) -> WriteBatch {
        let mut batch = WriteBatch::new();
        for ordinal in start..end {
            batch.append_block(&self.blocks[ordinal], &self.payload(ordinal as u64)).unwrap();
            if let Some(parent) = self.parents[ordinal] {
                batch.add_child(parent, ordinal as u64);
            }
            let before = if ordinal == 0 { 0 } else { self.finalized_len(ordinal) };
            for index in before..self.finalized_len(ordinal + 1) {
                self.finalize(&mut batch, index);
            }
        }
        if start == 0 {
            batch.set_root_snapshot(b"root".to_vec());
        }
        batch.set_head(self.head(end));
        batch
    }

    fn finalize(&self, batch: &mut WriteBatch, index: usize) {
        let block = self.refs[self.main[index] as usize];
        batch.set_finalized(block.height, block.ordinal);
        if index >= 3 {
            batch.set_sealing(block.height - 3, block.ordinal);
        }
        let counter = epoch(block.height);
        let first = index - ((block.height - FIRST_HEIGHT) % HEIGHTS_PER_EPOCH) as usize;
        let hop = first + 30;
        if index == first || index == hop {
            let hop_ordinal = (index == hop).then_some(block.ordinal);
            let first_ordinal = self.main[first];
            batch.put_epoch(counter, EpochRecord { hop_ordinal, first_ordinal });
            batch.put_preimage(preimage(counter)).unwrap();
        }
    }
}

pub(crate) fn epoch(height: u64) -> u64 {
    height / HEIGHTS_PER_EPOCH
}

pub(crate) fn preimage(counter: u64) -> Vec<u8> {
    [&counter.to_be_bytes()[..], &noise(counter, 2000), &[7; 2000]].concat()
}

fn hash(what: &str, number: u64) -> Identifier {
    sha3_256(&[what.as_bytes(), &number.to_be_bytes()])
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A store with the first `end` blocks, written a batch of `size` at a time.
pub(crate) fn store_with(folder: &Path, chain: &Chain, end: usize, size: usize) -> Store {
    let mut store = new(folder).initialize(&chain.batch(0, size.min(end))).unwrap();
    for start in (size.min(end)..end).step_by(size) {
        store.commit(&chain.batch(start, (start + size).min(end))).unwrap();
    }
    store
}

pub(crate) fn new(folder: &Path) -> NewStore {
    match Store::open(folder, StoreOptions::default()).unwrap() {
        Opened::New(new) => new,
        Opened::Existing(_) => panic!("the folder has a store"),
    }
}

pub(crate) fn existing(folder: &Path) -> Store {
    match Store::open(folder, StoreOptions::default()).unwrap() {
        Opened::Existing(store) => store,
        Opened::New(_) => panic!("the folder has no store"),
    }
}
