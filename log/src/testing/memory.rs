//! A folder of such files, with faults.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Chance;
use super::inode::{Inode, Kept};
use crate::Files;

/// What goes wrong at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It and all that follow fail and do nothing: the process is killed or the power is cut.
    Stop,
    /// It fails; a write does part of its work, and what a failed sync should have synced is lost for good.
    Io,
    /// There is no space for files to grow.
    Full,
    /// There is no space for any write, as on file systems that copy what is overwritten.
    FullForAll,
}

/// Files in memory, held by whoever tests and by the log at once.
#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Each is done whole or not at all.
    unsynced_names: Vec<Vec<(String, Option<usize>)>>,
    operations: u64,
    fault: Option<(u64, Fault, Lasting)>,
    free_bytes: Option<u64>,
    /// Bytes of files that cannot be read.
    spoiled: Vec<(usize, Range<usize>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasting {
    Once,
    On,
}

impl Memory {
    /// Files with the same content and history, which go their own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Mutex::new(self.state().clone()) }
    }

    /// Operations so far, reads included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets one operation fail, counted from now: 0 is the next. [`Fault::Stop`] lasts.
    pub fn fail_once(&self, after: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + after, fault, Lasting::Once));
    }

    /// Lets all operations from one on fail, counted from now, until [`Memory::mend`].
    pub fn fail_from(&self, after: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + after, fault, Lasting::On));
    }

    /// Ends all faults; after [`Fault::Stop`], as a process does that is started again.
    pub fn mend(&self) {
        self.state().fault = None;
    }

    /// Cuts the power and starts again: what was not synced is gone or not, as the seed will have it. Seed 0
    /// forgets all of it, seed 1 keeps all of it.
    pub fn cut_power(&self, seed: u64) {
        let mut state = self.state();
        let mut chance = Chance::new(seed);
        let mut kept = move || match (seed, chance.below(3)) {
            (0, _) | (2.., 0) => Kept::Nothing,
            (1, _) | (2.., 1) => Kept::All,
            _ => Kept::Part(Chance::new(chance.draw())),
        };
        for change in std::mem::take(&mut state.unsynced_names) {
            if !matches!(kept(), Kept::Nothing) {
                apply(&mut state.synced_names, change);
            }
        }
        for inode in &mut state.inodes {
            inode.cut_power(&mut kept);
        }
        state.names = state.synced_names.clone();
        state.fault = None;
    }

    /// The names of all files, those below `quarantine/` too.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// The bytes of a file, or none if there is no such file.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map(|inode| state.inodes[*inode].content.clone()).unwrap_or_default()
    }

    /// Changes the bytes of a file behind everybody's back.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = *state.names.get(name).expect("a file of that name");
        state.inodes[inode].edit(edit);
    }

    /// Makes bytes of a file unreadable, as a bad sector does, for as long as the file is there.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn spoil(&self, name: &str, bytes: Range<usize>) {
        let mut state = self.state();
        let inode = *state.names.get(name).expect("a file of that name");
        state.spoiled.push((inode, bytes));
    }

    /// Removes a file behind everybody's back.
    pub fn lose(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.synced_names.remove(name);
    }

    /// Sets what [`Files::free_bytes`] says.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.state().free_bytes = Some(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.names()).finish()
    }
}

impl Files for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        Ok(state.names.keys().filter(|name| !name.contains('/')).cloned().collect())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        Ok(state.inode(name)?.content.len() as u64)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        let content = &state.inodes[inode].content;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let rest = content.get(offset..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        let meets = |spoiled: &Range<usize>| spoiled.start < offset + read && offset < spoiled.end;
        if state.spoiled.iter().any(|(of, spoiled)| *of == inode && meets(spoiled)) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(&ALL)?;
        if let Ok(inode) = state.inode(name) {
            inode.cut(0);
            return Ok(());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.rename(vec![(name.to_owned(), Some(inode))]);
        Ok(())
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let begun = state.begin(&[Fault::Stop, Fault::Io, Fault::FullForAll]);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let operations = state.operations;
        let grows = state.inode(name)?.content.len() < offset + bytes.len();
        let begun = begun.and_then(|()| if grows { state.refuse(&[Fault::Full]) } else { Ok(()) });
        // The write under way when a process is killed may be done in part; none after it is.
        let stopped = state.was_stopped();
        let inode = state.inode(name)?;
        if begun.is_err() {
            if !stopped {
                let part = Chance::new(operations).below(bytes.len() + 1);
                inode.write(offset, &bytes[..part]);
            }
            return begun;
        }
        inode.write(offset, bytes);
        Ok(())
    }

    fn sync_file(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let begun = state.begin(&[Fault::Stop, Fault::Io]);
        let stopped = state.is_stopped();
        let inode = state.inode(name)?;
        match &begun {
            Ok(()) => inode.sync(),
            Err(_) if stopped => {}
            Err(_) => inode.fail_sync(),
        }
        begun
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        state.unsynced_names.clear();
        state.synced_names = state.names.clone();
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        state.inode(name)?.cut(length);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        let inode = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        state.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(&[Fault::Stop, Fault::Io])?;
        state.inode(name)?;
        state.rename(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.state().free_bytes.unwrap_or(u64::MAX))
    }
}

impl State {
    /// Counts an operation, and fails it if it is its turn and its kind of fault.
    fn begin(&mut self, faults: &[Fault]) -> io::Result<()> {
        self.operations += 1;
        self.refuse(faults)
    }

    fn refuse(&self, faults: &[Fault]) -> io::Result<()> {
        let Some((at, fault, lasting)) = self.fault else { return Ok(()) };
        let now = self.operations - 1;
        let lasts = lasting == Lasting::On || fault == Fault::Stop;
        if !faults.contains(&fault) || now < at || (now > at && !lasts) {
            return Ok(());
        }
        Err(match fault {
            Fault::Stop => io::Error::other("stopped by the test"),
            Fault::Io => io::Error::from_raw_os_error(EIO),
            Fault::Full | Fault::FullForAll => ErrorKind::StorageFull.into(),
        })
    }

    fn is_stopped(&self) -> bool {
        matches!(self.fault, Some((at, Fault::Stop, _)) if self.operations > at)
    }

    fn was_stopped(&self) -> bool {
        matches!(self.fault, Some((at, Fault::Stop, _)) if self.operations > at + 1)
    }

    fn inode(&mut self, name: &str) -> io::Result<&mut Inode> {
        let inode = *self.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(&mut self.inodes[inode])
    }

    fn rename(&mut self, change: Vec<(String, Option<usize>)>) {
        apply(&mut self.names, change.clone());
        self.unsynced_names.push(change);
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: Vec<(String, Option<usize>)>) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name, inode),
            None => names.remove(&name),
        };
    }
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
const ALL: [Fault; 4] = [Fault::Stop, Fault::Io, Fault::Full, Fault::FullForAll];
