//! Writing a data folder's blocks to a chain folder, as `replay` and `serve` read it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use weir_proto::frames::write_frame;
use weir_protocol::hotstuff::finality::Forks;
use weir_protocol::model::Identifier;

use crate::access::{AccessError, AccessView};
use crate::indexer::{IndexError, open_whole};
use crate::ingest::{FORK_BLOCKS_MAX, position_of};
use crate::prover::Prover;
use crate::source::{BLOCKS_FILE, Blocks, ChainFolder, SNAPSHOT_FILE, SourceError};
use crate::store::{ReadError, Reader, StoreOptions};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Blocks, the root included.
    pub blocks: u64,
    /// Bytes of the file of blocks.
    pub bytes: u64,
}

/// Which heights to write; all that there are where a bound is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heights {
    /// The final block of this height becomes the root.
    pub from: Option<u64>,
    /// The export ends with the block that makes this height final.
    pub upto: Option<u64>,
}

/// Writes the root snapshot and all blocks from it on, of all forks, in the order of ingestion.
///
/// Without bounds a server may have the folder open; it is then what the log had when this began.
///
/// # Errors
/// When `data` has no blocks, is in use though there are bounds, or lacks payloads; when a bound is not a
/// final height; when `to` has a chain already or cannot be written. A file that is not finished has
/// another name, so that nobody takes it for a chain.
pub fn export(data: &Path, to: &Path, heights: Heights) -> Result<Exported, ExportError> {
    let folder = ChainFolder::open_data(data)?;
    if let Some(found) =
        [SNAPSHOT_FILE, BLOCKS_FILE].into_iter().find(|name| to.join(name).exists())
    {
        return Err(ExportError::Occupied { path: to.join(found) });
    }
    fs::create_dir_all(to).map_err(failed(to))?;
    if heights == Heights::default() {
        let json = folder.snapshot_json()?;
        return write(to, &json, folder.blocks()?, |_| Ok(Taken::Yes));
    }
    let store = open_whole(data, StoreOptions::default())?;
    let reader = store.reader();
    let mut selection = Selection::new(&reader, heights)?;
    let json = match heights.from {
        None => folder.snapshot_json()?,
        Some(height) => {
            let view = AccessView::new(Prover::new(reader.clone()))?;
            view.snapshot_at(height)?.to_json()
        }
    };
    let blocks = folder.blocks_from(selection.root)?;
    write(to, &json, blocks, |ordinal| selection.take(&reader, ordinal))
}

/// Whether a block is part of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
    /// It is the last.
    Last,
}

/// The blocks that descend from the first one, up to the one that makes a height final.
struct Selection {
    /// The first block.
    root: u64,
    /// Blocks behind the first in the order of ingestion that do not descend from it.
    apart: HashSet<Identifier>,
    upto: Option<(u64, Forks)>,
}

impl Selection {
    fn new(reader: &Reader, heights: Heights) -> Result<Self, ExportError> {
        let head = reader.head();
        let (first, last) = (head.first_height, head.finalized.height);
        let from = heights.from.unwrap_or(first);
        let upto = heights.upto.unwrap_or(last);
        if from < first || upto > last || from > upto {
            return Err(ExportError::Heights { first, last });
        }
        let root = reader.finalized_at(from)?.ok_or(ExportError::Heights { first, last })?;
        let block = reader.block(root)?.ok_or(ReadError::Gone { ordinal: root })?;
        let forks = || Forks::new(position_of(&block.header), FORK_BLOCKS_MAX);
        let upto = heights.upto.map(|height| (height, forks()));
        Ok(Self { root, apart: HashSet::new(), upto })
    }

    fn take(&mut self, reader: &Reader, ordinal: u64) -> Result<Taken, ExportError> {
        if ordinal == self.root {
            let is_last = self
                .upto
                .as_ref()
                .is_some_and(|(height, forks)| forks.latest_finalized().height >= *height);
            return Ok(if is_last { Taken::Last } else { Taken::Yes });
        }
        let block = reader.block(ordinal)?.ok_or(ReadError::Gone { ordinal })?;
        let parent_id = block.header.parent_id;
        let parent = reader.ordinal_of(&parent_id)?;
        if parent.is_none_or(|parent| parent < self.root) || self.apart.contains(&parent_id) {
            self.apart.insert(block.id());
            return Ok(Taken::No);
        }
        let Some((height, forks)) = &mut self.upto else { return Ok(Taken::Yes) };
        let added = forks.add(position_of(&block.header));
        added.map_err(|error| ExportError::Forks { ordinal, reason: error.to_string() })?;
        if forks.latest_finalized().height >= *height {
            return Ok(Taken::Last);
        }
        if ordinal.is_multiple_of(PRUNE_BLOCKS)
            && let Some(finalized) = reader.ordinal_of(&forks.latest_finalized().block_id)?
            && let Some(finalized) = reader.block(finalized)?
        {
            forks.prune(reader.last_sealed(&finalized)?.1);
        }
        Ok(Taken::Yes)
    }
}

fn write(
    to: &Path,
    json: &[u8],
    mut blocks: Blocks,
    mut take: impl FnMut(u64) -> Result<Taken, ExportError>,
) -> Result<Exported, ExportError> {
    let mut exported = Exported { blocks: 0, bytes: 0 };
    let draft = to.join(format!("{BLOCKS_FILE}{DRAFT}"));
    let mut file =
        BufWriter::with_capacity(WRITE_BYTES, File::create(&draft).map_err(failed(&draft))?);
    loop {
        // What was handed out so far is where the next one stands.
        let ordinal = blocks.progress().0;
        let Some(block) = blocks.next() else { break };
        let block = block?;
        let taken = take(ordinal)?;
        if taken != Taken::No {
            exported.bytes += write_frame(&mut file, &block).map_err(failed(&draft))?;
            exported.blocks += 1;
        }
        if taken == Taken::Last {
            break;
        }
    }
    let file = file.into_inner().map_err(|error| failed(&draft)(error.into_error()))?;
    finish(&file, &draft, &to.join(BLOCKS_FILE))?;
    let draft = to.join(format!("{SNAPSHOT_FILE}{DRAFT}"));
    let mut file = File::create(&draft).map_err(failed(&draft))?;
    file.write_all(json).map_err(failed(&draft))?;
    finish(&file, &draft, &to.join(SNAPSHOT_FILE))?;
    let synced = File::open(to).and_then(|folder| folder.sync_all());
    synced.map_err(failed(to))?;
    Ok(exported)
}

/// Gives a file its name when it is on disk.
fn finish(file: &File, draft: &Path, name: &Path) -> Result<(), ExportError> {
    file.sync_all().and_then(|()| fs::rename(draft, name)).map_err(failed(draft))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExportError + use<> {
    let path = path.to_owned();
    move |source| ExportError::Write { path, source }
}

/// Why blocks were not exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The blocks cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The data folder cannot be opened; bounds need its index.
    #[error(
        "an export with --from or --upto needs the index, so that no server may have the folder open"
    )]
    Index(#[from] IndexError),
    /// The index cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no snapshot at the first height.
    #[error("no snapshot can be made at that height; take a higher --from")]
    Snapshot(#[from] AccessError),
    /// Heights that are not there.
    #[error(
        "final blocks are there from height {first} up to {last}; --from and --upto are among them"
    )]
    Heights {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The blocks do not fit each other.
    #[error("block {ordinal} does not fit those before it: {reason}; run weir-server fsck")]
    Forks {
        /// Its ordinal.
        ordinal: u64,
        /// Why.
        reason: String,
    },
    /// There is a chain already.
    #[error("{} is there already; name an empty folder with --to", path.display())]
    Occupied {
        /// A file of it.
        path: PathBuf,
    },
    /// The folder cannot be written.
    #[error("cannot write {}; make sure that there is space, and run this again", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Blocks from one forgetting of those that are settled to the next.
const PRUNE_BLOCKS: u64 = 1024;
const WRITE_BYTES: usize = 1 << 20;
const DRAFT: &str = ".new";
