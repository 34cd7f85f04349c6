//! Opening the database so that nothing it does by itself can lose or hide data.
//!
//! sled 0.34 reads a half-written `snap.*.generating` as a snapshot and then never opens again,
//! panics on some damage instead of returning an error, and takes 1 GB of cache unless told
//! otherwise. Each of these is answered here, and only here.

use crate::error::{DatabaseError, Source};
use crate::format::FORMAT_FILE_FRESH;
use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// An open database, locked against a second process until it is dropped.
#[derive(Debug)]
pub struct Database {
    tree: sled::Tree,
    recovery: Recovery,
    // Fields drop in order: the lock goes after the database.
    db: sled::Db,
    _lock: FolderLock,
}

/// A folder that no other process may open until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder`, which is created when only its last part is missing.
    ///
    /// A folder that has the first of `own_names` is in use already; any other must hold nothing but
    /// these names, and what every store and every fresh volume has.
    ///
    /// # Errors
    /// When another process has the folder, when it cannot be used, or holds something else.
    pub fn take(folder: &Path, own_names: &[&str]) -> Result<Self, DatabaseError> {
        prepare_folder(folder)?;
        if !folder.join(LOCK_FILE).exists() {
            // Somebody else's folder does not even get a lock file.
            refuse_foreign_files(folder, own_names)?;
        }
        let file = lock(folder)?;
        refuse_foreign_files(folder, own_names)?;
        Ok(Self { _file: file })
    }

    /// Locks a folder to look at it, without a byte written: several may look at once. `None` where
    /// nobody ever locked it, as in a copy without the file.
    ///
    /// # Errors
    /// When another process has the folder to write, or when the file cannot be read.
    pub fn look(folder: &Path) -> Result<Option<Self>, DatabaseError> {
        let path = || folder.to_path_buf();
        let unusable = |source| DatabaseError::Unusable { path: path(), source };
        let file = match File::open(folder.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
        };
        let is_held = |error: &TryLockError| matches!(error, TryLockError::WouldBlock);
        match once_released(|| file.try_lock_shared(), is_held) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(DatabaseError::InUse { path: path() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

impl Database {
    /// Opens the database in `folder`, which is created when only its last part is missing.
    ///
    /// # Errors
    /// When another process has the folder open, when the folder cannot be used or holds
    /// something else, or when the database is damaged beyond what its log can restore.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, DatabaseError> {
        let lock = FolderLock::take(folder, OWN_FILES)?;
        remove_half_written(folder)?;
        let open = || open_once(folder, cache_bytes);
        let (db, recovery) = match once_released(open, Refusal::is_locked) {
            Ok(db) => (db, Recovery::None),
            Err(Refusal::Damage(first)) => {
                if move_snapshots_aside(folder)? == 0 {
                    return Err(failed(folder, Refusal::Damage(first)));
                }
                let db = once_released(open, Refusal::is_locked);
                (db.map_err(|refusal| failed(folder, refusal))?, Recovery::FromLog)
            }
            Err(refusal) => return Err(failed(folder, refusal)),
        };
        let tree = (*db).clone();
        Ok(Self { tree, recovery, db, _lock: lock })
    }

    /// The one tree that holds everything.
    #[must_use]
    pub fn tree(&self) -> &sled::Tree {
        &self.tree
    }

    /// Whether opening had to restore the database; if so, its content needs an audit.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Waits until everything written is on disk.
    ///
    /// # Errors
    /// When the database fails, after which nothing written since the last call may be believed.
    pub fn flush(&self) -> Result<(), sled::Error> {
        self.db.flush().map(|_| ())
    }
}

/// What opening had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    None,
    /// The database's snapshot file was unusable; its content was replayed from the log.
    FromLog,
}

/// Runs a database operation and turns its panic, which damage can cause, into text.
///
/// # Errors
/// When the operation panics.
pub fn guarded<T>(operation: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(operation)).map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown panic").to_owned()
}

fn prepare_folder(folder: &Path) -> Result<(), DatabaseError> {
    let path = || folder.to_path_buf();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(DatabaseError::NotAFolder { path: path() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(folder).map_err(|source| DatabaseError::Create { path: path(), source })
        }
        Err(source) if source.kind() == io::ErrorKind::NotADirectory => {
            Err(DatabaseError::NotAFolder { path: path() })
        }
        Err(source) => Err(DatabaseError::Unusable { path: path(), source }),
    }
}

fn lock(folder: &Path) -> Result<File, DatabaseError> {
    let unusable = |source| DatabaseError::Unusable { path: folder.to_path_buf(), source };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(folder.join(LOCK_FILE));
    let file = file.map_err(unusable)?;
    let is_held = |error: &TryLockError| matches!(error, TryLockError::WouldBlock);
    match once_released(|| file.try_lock(), is_held) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DatabaseError::InUse { path: folder.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Tries until the lock's previous user has let go of it, or two seconds are over.
///
/// A lock outlives its user for some milliseconds: threads of sled's keep the one on its file, and a
/// process that the user was just starting has copies of all open files until it runs its program.
fn once_released<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_held: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for _ in 0..RELEASE_ATTEMPTS_MAX {
        match attempt() {
            Err(error) if is_held(&error) => sleep(RELEASE_PAUSE),
            done => return done,
        }
    }
    attempt()
}

/// A folder that is not in use yet must hold nothing but what an interrupted first start leaves.
fn refuse_foreign_files(folder: &Path, own_names: &[&str]) -> Result<(), DatabaseError> {
    if own_names.first().is_some_and(|name| folder.join(name).exists()) {
        return Ok(());
    }
    let own = |name: &str| own_names.contains(&name) || ANY_FOLDERS_FILES.contains(&name);
    let foreign = |name: &String| !own(name);
    match names(folder)?.into_iter().find(foreign) {
        Some(found) => Err(DatabaseError::Foreign { path: folder.to_path_buf(), found }),
        None => Ok(()),
    }
}

fn remove_half_written(folder: &Path) -> Result<(), DatabaseError> {
    let unusable = |source| DatabaseError::Unusable { path: folder.to_path_buf(), source };
    for name in names(folder)? {
        if name.starts_with(SNAPSHOT_PREFIX) && name.ends_with(GENERATING_SUFFIX) {
            fs::remove_file(folder.join(name)).map_err(unusable)?;
        }
    }
    // The settings are written in place during the first start, when there is no data yet.
    let empty = fs::metadata(folder.join(DATABASE_FILE)).is_ok_and(|file| file.len() == 0);
    if empty && folder.join(SETTINGS_FILE).exists() {
        fs::remove_file(folder.join(SETTINGS_FILE)).map_err(unusable)?;
    }
    Ok(())
}

fn open_once(folder: &Path, cache_bytes: u64) -> Result<sled::Db, Refusal> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    let opened = guarded(|| config.open()).map_err(|panic| Refusal::Damage(panic.into()))?;
    opened.map_err(|error| match error {
        // sled has no error of its own for this.
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            Refusal::Locked(error.into())
        }
        sled::Error::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Refusal::Disk(error)
        }
        error => Refusal::Damage(error.into()),
    })
}

/// Why the database did not open.
enum Refusal {
    /// Its file is locked, though the folder is not.
    Locked(Source),
    /// The disk or the system failed: nothing may be concluded about the content.
    Disk(io::Error),
    /// The content does not make sense.
    Damage(Source),
}

impl Refusal {
    fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

fn failed(folder: &Path, refusal: Refusal) -> DatabaseError {
    let path = folder.to_path_buf();
    match refusal {
        Refusal::Disk(source) => DatabaseError::Disk { path, source },
        Refusal::Locked(source) | Refusal::Damage(source) => DatabaseError::Open { path, source },
    }
}

/// Renames the snapshot files, which only speed up opening, and says how many there were.
fn move_snapshots_aside(folder: &Path) -> Result<usize, DatabaseError> {
    let snapshots = names(folder)?.into_iter().filter(|name| name.starts_with(SNAPSHOT_PREFIX));
    let mut moved = 0;
    for name in snapshots {
        let aside = folder.join(format!("{ASIDE_PREFIX}{name}"));
        fs::rename(folder.join(&name), aside)
            .map_err(|source| DatabaseError::Unusable { path: folder.to_path_buf(), source })?;
        moved += 1;
    }
    Ok(moved)
}

fn names(folder: &Path) -> Result<Vec<String>, DatabaseError> {
    let unusable = |source| DatabaseError::Unusable { path: folder.to_path_buf(), source };
    let entries = fs::read_dir(folder).map_err(unusable)?;
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned()).map_err(unusable)
    };
    entries.map(name).collect()
}

/// Together two seconds.
const RELEASE_ATTEMPTS_MAX: u32 = 200;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);
const LOCK_FILE: &str = "weir.lock";
const DATABASE_FILE: &str = "db";
const SETTINGS_FILE: &str = "conf";
const SNAPSHOT_PREFIX: &str = "snap.";
const GENERATING_SUFFIX: &str = ".generating";
const ASIDE_PREFIX: &str = "aside.";
const OWN_FILES: &[&str] = &[DATABASE_FILE, SETTINGS_FILE, "blobs"];
/// The last is in every fresh volume of some file systems.
const ANY_FOLDERS_FILES: &[&str] = &[LOCK_FILE, FORMAT_FILE_FRESH, "lost+found"];

#[cfg(test)]
mod tests {
    use super::once_released;

    #[bounded::test]
    fn a_lock_that_is_being_let_go_of_is_waited_for_and_one_that_is_held_is_not_for_ever() {
        let mut attempts = 0;
        let mut attempt = |free_at| {
            attempts = 0;
            once_released(
                || {
                    attempts += 1;
                    if attempts == free_at { Ok(attempts) } else { Err("held") }
                },
                |error| *error == "held",
            )
        };
        assert_eq!(attempt(1), Ok(1));
        assert_eq!(attempt(3), Ok(3));
        assert_eq!(attempt(0), Err("held"));
        assert_eq!(attempts, super::RELEASE_ATTEMPTS_MAX + 1);
        let mut asked = 0;
        let broken: Result<(), _> = once_released(
            || {
                Err({
                    asked += 1;
                    "broken"
                })
            },
            |error| *error == "held",
        );
        assert_eq!((broken, asked), (Err("broken"), 1));
    }
}
