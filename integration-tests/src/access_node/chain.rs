//! What a node serves: one branch of a reference chain, and its snapshots.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::sync::Arc;

use serde_json::Value;
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_proto::frames::Frames;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::codec::{Entity, entity_ids, payload_hash, payload_roots};
use weir_protocol::model::{Block, Identifier};

use crate::{chain_dir, expected, gunzip};

/// The finalized branch of a chain, with the blocks that make its last ones final.
#[derive(Clone, Debug)]
pub struct ServedChain {
    /// Blocks by height.
    pub blocks: BTreeMap<u64, entities::Block>,
    /// What flow-go computed for them, by height.
    pub rows: BTreeMap<u64, Value>,
    /// All other blocks.
    pub forks: Vec<entities::Block>,
    /// Snapshots by block.
    pub snapshots: HashMap<Identifier, Vec<u8>>,
    /// Height of the last finalized block.
    pub finalized_height: u64,
    /// Chain.
    pub chain_id: String,
    /// Spork.
    pub spork_id: Identifier,
}

impl ServedChain {
    /// Reads a reference chain.
    ///
    /// # Errors
    /// When it cannot be read.
    ///
    /// # Panics
    /// When it is not as described in `vectors/README.md`.
    pub fn read(name: &str) -> io::Result<Arc<Self>> {
        let rows = expected(name)?;
        let finalized = rows.iter().filter(|row| row["finalized"] == true);
        let last_final =
            finalized.max_by_key(|row| height_of(row)).expect("there is a final block");
        let by_id: HashMap<&str, &Value> =
            rows.iter().map(|row| (text(row, "block_id"), row)).collect();
        let branch = |tip: &Value| {
            let parent = |row: &&Value| by_id.get(text(row, "parent_id")).copied();
            let path = std::iter::successors(by_id.get(text(tip, "block_id")).copied(), parent);
            path.map(|row| (height_of(row), row.clone())).collect::<BTreeMap<_, _>>()
        };
        let rows = rows.iter().map(branch);
        let rows = rows.filter(|branch| branch.get(&height_of(last_final)) == Some(last_final));
        let rows = rows.max_by_key(BTreeMap::len).expect("the final block is on a branch");

        let file = gunzip(name, "blocks.pb.gz")?;
        let all = Frames::new(&file[..]).map(|block| block.expect("a block"));
        let (mut blocks, mut forks) = (BTreeMap::new(), Vec::new());
        for block in all {
            let id = claimed_id(&block).to_hex();
            match rows.get(&block.height) {
                Some(row) if *text(row, "block_id") == id => {
                    blocks.insert(block.height, block);
                }
                _ => forks.push(block),
            }
        }
        assert_eq!(blocks.len(), rows.len(), "{name}");

        let mut snapshots = HashMap::new();
        for entry in fs::read_dir(chain_dir(name))? {
            let file = entry?.file_name().into_string().expect("file names are text");
            if file.contains("snapshot-") || file.contains("-snapshot") {
                let json = gunzip(name, &file)?;
                let snapshot = Snapshot::from_json(&json).expect("a snapshot");
                snapshots.insert(snapshot.head().header.id(), json);
            }
        }
        let mut chain = Self {
            blocks,
            finalized_height: height_of(last_final),
            rows,
            forks,
            snapshots,
            chain_id: String::new(),
            spork_id: Identifier::default(),
        };
        let root = Snapshot::from_json(&chain.snapshots[&chain.id_at(chain.first_height())]);
        let params = root.expect("the root's snapshot").params().clone();
        (chain.chain_id, chain.spork_id) = (params.chain_id, params.spork_id);
        Ok(Arc::new(chain))
    }

    /// Height of the root.
    ///
    /// # Panics
    /// Never: there is a root.
    #[must_use]
    pub fn first_height(&self) -> u64 {
        *self.blocks.first_key_value().expect("there is a root").0
    }

    /// Height of the last block.
    ///
    /// # Panics
    /// Never: there is a root.
    #[must_use]
    pub fn last_height(&self) -> u64 {
        *self.blocks.last_key_value().expect("there is a root").0
    }

    /// The block at a height.
    #[must_use]
    pub fn id_at(&self, height: u64) -> Identifier {
        claimed_id(&self.blocks[&height])
    }

    /// The root block.
    #[must_use]
    pub fn root_id(&self) -> Identifier {
        self.id_at(self.first_height())
    }

    /// Blocks after the root that there are snapshots of, lowest first.
    #[must_use]
    pub fn later_checkpoints(&self) -> Vec<(u64, Identifier)> {
        let (root, heights) = (self.first_height(), self.blocks.keys());
        let blocks = heights.map(|height| (*height, self.id_at(*height)));
        blocks.filter(|(height, id)| *height > root && self.snapshots.contains_key(id)).collect()
    }

    /// A block changed and hashed again: consistent, but not the chain's.
    ///
    /// # Panics
    /// When there is no block at the height.
    #[must_use]
    pub fn forged(&self, height: u64, change: impl FnOnce(&mut Block)) -> entities::Block {
        let mut block = block_from_wire(self.blocks[&height].clone()).expect("a block");
        change(&mut block);
        rehash(&mut block);
        block_to_wire(&block)
    }
}

/// Makes the header commit to what the block holds.
fn rehash(block: &mut Block) {
    let payload = &block.payload;
    let roots = payload_roots(payload, &entity_ids(&payload.results));
    block.header.payload_hash = payload_hash(&roots);
    block.header.last_view_tc_id = block.last_view_tc.as_ref().map(Entity::id).unwrap_or_default();
}

fn claimed_id(block: &entities::Block) -> Identifier {
    Identifier::try_from(&block.id[..]).expect("a block has an id")
}

fn height_of(row: &Value) -> u64 {
    row["height"].as_u64().expect("a row has a height")
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().expect("a row has this text")
}
