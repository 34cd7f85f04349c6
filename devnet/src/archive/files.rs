//! The files of a chain folder that grow with the chain, and the thread that writes them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use weir_proto::convert::block_to_wire;
use weir_proto::frames::write_frame;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{Block, Identifier};

use super::expected::Undecided;
use super::{ArchiveError, failure, states};
use crate::record::Record;

/// Something for the files.
pub(super) enum Item {
    /// A block.
    Block(Made),
    /// The snapshot of a later block.
    Snapshot {
        /// Its number among the snapshots, from 1.
        number: u64,
        /// Height of its head.
        height: u64,
        /// The snapshot.
        snapshot: Box<Snapshot>,
    },
}

/// A block that was made.
pub(super) struct Made {
    pub(super) block_id: Identifier,
    pub(super) record: Arc<Record>,
    /// Blocks that are final since.
    pub(super) finalized: Vec<Identifier>,
}

/// The open files of a chain folder.
pub(super) struct Files {
    dir: PathBuf,
    blocks: Frames,
    expected: Lines,
    kv_states: Lines,
    epoch_states: Lines,
    service_events: Lines,
    undecided: Undecided,
    /// States and epoch states that are written already: a few for every epoch.
    seen: HashSet<Identifier>,
}

impl Files {
    /// Creates the files, in place of those of an earlier chain.
    pub(super) fn create(dir: &Path) -> Result<Self, ArchiveError> {
        remove_snapshots(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            blocks: Frames::create(dir.join("blocks.pb"))?,
            expected: Lines::create(dir.join("expected.jsonl.gz"))?,
            kv_states: Lines::create(dir.join("kv_states.jsonl.gz"))?,
            epoch_states: Lines::create(dir.join("epoch_states.jsonl.gz"))?,
            service_events: Lines::create(dir.join("service_events.jsonl.gz"))?,
            undecided: Undecided::default(),
            seen: HashSet::new(),
        })
    }

    /// Writes what comes, until no more does.
    pub(super) fn write(mut self, items: &Receiver<Item>) -> Result<(), ArchiveError> {
        for item in items {
            match item {
                Item::Block(made) => self.block(made)?,
                Item::Snapshot { number, height, snapshot } => {
                    self.snapshot(&format!("snapshot-{number}-height-{height}"), &snapshot)?;
                }
            }
        }
        for line in self.undecided.rest() {
            self.expected.write(&line)?;
        }
        self.blocks.finish()?;
        let lines = [self.expected, self.kv_states, self.epoch_states, self.service_events];
        lines.into_iter().try_for_each(Lines::finish)
    }

    fn block(&mut self, made: Made) -> Result<(), ArchiveError> {
        self.blocks.write(&made.record.block)?;
        let state = &made.record.state;
        if self.seen.insert(state.id()) {
            self.kv_states.write(&states::kv_state(state))?;
            if self.seen.insert(state.epoch_state_id()) {
                self.epoch_states.write(&states::epoch_state(state))?;
            }
        }
        for event in &made.record.execution.result.service_events {
            self.service_events.write(&states::service_event(&made.block_id, event))?;
        }
        for line in self.undecided.add(made) {
            self.expected.write(&line)?;
        }
        Ok(())
    }

    fn snapshot(&self, name: &str, snapshot: &Snapshot) -> Result<(), ArchiveError> {
        let mut file = Lines::create(self.dir.join(format!("{name}.json.gz")))?;
        file.write_bytes(&snapshot.to_json())?;
        file.finish()
    }
}

/// A file of messages, each after its length.
struct Frames {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Frames {
    fn create(path: PathBuf) -> Result<Self, ArchiveError> {
        let file = File::create(&path).map_err(failure(&path))?;
        Ok(Self { file: BufWriter::with_capacity(WRITE_BYTES, file), path })
    }

    fn write(&mut self, block: &Block) -> Result<(), ArchiveError> {
        let written = write_frame(&mut self.file, &block_to_wire(block));
        written.map(|_| ()).map_err(failure(&self.path))
    }

    fn finish(mut self) -> Result<(), ArchiveError> {
        self.file.flush().map_err(failure(&self.path))
    }
}

/// A gzipped file of text.
struct Lines {
    path: PathBuf,
    file: GzEncoder<BufWriter<File>>,
}

impl Lines {
    fn create(path: PathBuf) -> Result<Self, ArchiveError> {
        let file = File::create(&path).map_err(failure(&path))?;
        let file = BufWriter::with_capacity(WRITE_BYTES, file);
        // Hashes and signatures do not shrink, however hard one tries.
        Ok(Self { file: GzEncoder::new(file, Compression::fast()), path })
    }

    fn write(&mut self, line: &Value) -> Result<(), ArchiveError> {
        self.write_bytes(format!("{line}\n").as_bytes())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.file.write_all(bytes).map_err(failure(&self.path))
    }

    fn finish(self) -> Result<(), ArchiveError> {
        let written = self.file.finish().and_then(|mut file| file.flush());
        written.map_err(failure(&self.path))
    }
}

/// Removes the snapshots of an earlier chain, which may have had more of them.
fn remove_snapshots(dir: &Path) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(dir).map_err(failure(dir))? {
        let path = entry.map_err(failure(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snapshot-") && name.ends_with(".json.gz") {
            fs::remove_file(&path).map_err(failure(&path))?;
        }
    }
    Ok(())
}

const WRITE_BYTES: usize = 1 << 20;
