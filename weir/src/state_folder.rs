//! The folder that keeps trusted states, one file a checkpoint, and the default checkpoint.
//!
//! What is kept only goes forward: a file is replaced at once, by a state that is at least as new.
//! A file that cannot be read is never passed over, for that would silently start over.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::evidence_folder::EvidenceFolder;
use anyhow::{Context as _, anyhow, bail};
use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};
use weir_protocol::model::Identifier;
use weir_verifier::{
    Misbehaviour, Rejection, TRUSTED_STATE_BYTES_MAX, TrustedBlock, TrustedState,
    TrustedStateError, Violation,
};

/// The folder.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
}

/// What became of a trusted state that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is the one in the file.
    Current,
    /// The file has one that is newer.
    Newer,
}

impl StateFolder {
    /// This folder, or else `weir` in the user's data folder; it need not exist.
    pub(crate) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = path {
            return Ok(Self { path: path.to_owned() });
        }
        let base = choose_native_strategy()
            .context("no home folder to keep the trusted state in: pass --state-dir DIR")?;
        Ok(Self { path: base.data_dir().join(FOLDER) })
    }

    /// The file for a checkpoint's trusted state.
    pub(crate) fn file(&self, checkpoint: Identifier) -> PathBuf {
        self.path.join(format!("{checkpoint}.{EXTENSION}"))
    }

    /// The trusted state kept for a checkpoint, if there is one.
    pub(crate) fn load(&self, checkpoint: Identifier) -> anyhow::Result<Option<TrustedState>> {
        let path = self.file(checkpoint);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let state = parse(&path, &bytes)?;
        let found = state.checkpoint().block_id;
        if found != checkpoint {
            bail!(
                "{} holds the trusted state of checkpoint {found}: rename the file, or delete it \
                 to start over from checkpoint {checkpoint}",
                path.display()
            );
        }
        Ok(Some(state))
    }

    /// Keeps a trusted state, unless what is kept already is newer.
    pub(crate) fn keep(&self, state: &TrustedState) -> anyhow::Result<Kept> {
        let checkpoint = state.checkpoint().block_id;
        let (path, bytes) = (self.file(checkpoint), state.to_bytes());
        if read(&path)?.as_deref() == Some(&bytes[..]) {
            return Ok(Kept::Current);
        }
        self.create()?;
        let _lock = self.lock()?;
        if let Some(kept) = self.load(checkpoint)? {
            compatible(&kept, state)?;
            if !is_as_new(state, &kept) {
                return Ok(Kept::Newer);
            }
        }
        self.replace(&path, &bytes)?;
        Ok(Kept::Current)
    }

    /// The checkpoint to use when none is named.
    pub(crate) fn default_checkpoint(&self) -> anyhow::Result<Option<Identifier>> {
        let path = self.path.join(DEFAULT_CHECKPOINT);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        let checkpoint = text.trim_end().parse().map_err(|error| {
            anyhow!(
                "{} is damaged: {error}; choose the checkpoint again with `weir checkpoint set`",
                path.display()
            )
        })?;
        Ok(Some(checkpoint))
    }

    /// Uses this checkpoint when none is named.
    pub(crate) fn set_default_checkpoint(&self, checkpoint: Identifier) -> anyhow::Result<()> {
        self.create()?;
        self.replace(&self.path.join(DEFAULT_CHECKPOINT), format!("{checkpoint}\n").as_bytes())
    }

    /// Where evidence of misbehaviour is kept.
    pub(crate) fn evidence(&self) -> EvidenceFolder {
        EvidenceFolder::below(&self.path)
    }

    /// Keeps evidence of misbehaviour, unless enough is kept of that server.
    pub(crate) fn keep_evidence(
        &self,
        found: &Misbehaviour,
        checkpoint: Identifier,
    ) -> anyhow::Result<PathBuf> {
        self.create()?;
        let (path, bytes) = self.evidence().admit(found, checkpoint)?;
        self.replace(&path, &bytes)?;
        Ok(path)
    }

    fn create(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.path).with_context(|| self.cannot_write())
    }

    /// Keeps other processes from writing until the lock is dropped.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.path.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| self.cannot_write())?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // Without locks, replacing is still atomic: at worst a moment's progress is lost.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(file);
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| self.cannot_write());
                }
                Err(TryLockError::WouldBlock) if begun.elapsed() > LOCK_PATIENCE => bail!(
                    "{} has been locked for {} s: another weir is stuck; end it, or pass \
                     --state-dir DIR or --no-state",
                    path.display(),
                    LOCK_PATIENCE.as_secs()
                ),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            }
        }
    }

    /// Replaces a file at once: readers see the old content or the new, also after a crash.
    fn replace(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let replaced = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            // The name is on disk when the folder is; elsewhere a folder cannot be opened.
            #[cfg(unix)]
            File::open(&self.path)?.sync_all()?;
            Ok(())
        };
        replaced().with_context(|| self.cannot_write())
    }

    fn cannot_write(&self) -> String {
        format!(
            "cannot write to {}; pass --state-dir DIR for another folder, or --no-state to keep \
             nothing",
            self.path.display()
        )
    }
}

/// Reads an exported trusted state, from standard input for `-`.
pub(crate) fn import(path: &Path) -> anyhow::Result<TrustedState> {
    let bytes = if path == Path::new(STANDARD) {
        limited(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| limited(&mut file))
    };
    let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
    TrustedState::from_bytes(&bytes).with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match File::open(path).and_then(|mut file| limited(&mut file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot read {}; pass --state-dir DIR for another folder, or --no-state to begin \
                 at the checkpoint and keep nothing",
                path.display()
            )
        }),
    }
}

/// At most one byte more than a trusted state may have, which makes it refused.
fn limited(from: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(TRUSTED_STATE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> anyhow::Result<TrustedState> {
    TrustedState::from_bytes(bytes).map_err(|error| {
        let advice = match error {
            TrustedStateError::Version { .. } => {
                "use the version of weir that wrote it, or pass --state-dir DIR for another folder"
            }
            _ => {
                "delete the file to start over from the checkpoint, or to import an exported state \
                 with `weir checkpoint set --file FILE`"
            }
        };
        anyhow!("{}: {error}; {advice}", path.display())
    })
}

/// Newer in no respect is older: what one run proved is not taken back by another.
fn is_as_new(state: &TrustedState, kept: &TrustedState) -> bool {
    state.newest_epoch().counter() >= kept.newest_epoch().counter()
        && state.head().height >= kept.head().height
}

/// Blocks that are proved final lie on one chain: along it, views grow with heights.
fn compatible(kept: &TrustedState, state: &TrustedState) -> Result<(), Rejection> {
    let mut blocks: Vec<_> = final_blocks(kept).chain(final_blocks(state)).collect();
    blocks.sort_by_key(|block| (block.height, block.block_id));
    for pair in blocks.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        let same_block = one.block_id == other.block_id;
        let same_height = one.height == other.height;
        if same_height != same_block || (!same_block && one.view >= other.view) {
            return Err(Violation::ConflictingFinality {
                expected: one.block_id,
                expected_height: one.height,
                found: other.block_id,
                found_height: other.height,
            }
            .into());
        }
    }
    Ok(())
}

fn final_blocks(state: &TrustedState) -> impl Iterator<Item = TrustedBlock> + '_ {
    let counters = state.oldest_epoch().counter()..=state.newest_epoch().counter();
    let boundaries = counters.filter_map(|counter| state.epoch(counter)?.boundary().copied());
    boundaries.chain([*state.checkpoint(), *state.head()])
}

/// Stands for standard input or output.
pub(crate) const STANDARD: &str = "-";
/// The folder's name in the user's data folder.
const FOLDER: &str = "weir";
const EXTENSION: &str = "trusted";
const DEFAULT_CHECKPOINT: &str = "default-checkpoint";
const LOCK: &str = "lock";
/// How names of files begin that are being written.
const TEMPORARY: &str = ".weir-";
/// Longest wait for another process, which holds the lock for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
