//! The protocol state behind a block's payload roots, from content-addressed preimages.

use super::sources::Sources;
use super::upgrade::Schedule;
use super::{Rejection, Violation};
use alloc::sync::Arc;
use alloc::vec::Vec;
use weir_protocol::model::{
    EpochSetup, EpochStateContainer, EpochStateEntry, Header, Identifier, KvStore, PayloadRoots,
    Versions,
};
use weir_protocol::protocol_state::EpochName;

/// A block's key-value store, epoch state and current setup.
///
/// Every part hashes to an ID that the part before it names, up to the payload roots.
#[derive(Debug)]
pub(super) struct StateView {
    pub(super) protocol_state_id: Identifier,
    pub(super) kv: KvStore,
    pub(super) entry: Arc<EpochStateEntry>,
    pub(super) current_setup: Arc<EpochSetup>,
}

impl StateView {
    /// Opens the state that `roots` commit to, which are those of the header.
    pub(super) fn derive(
        header: &Header,
        roots: &PayloadRoots,
        sources: Sources<'_>,
        schedule: impl FnOnce() -> Schedule,
    ) -> Result<Self, Rejection> {
        let protocol_state_id = roots.protocol_state_id;
        let kv = key_value_store(header, roots, sources, schedule)?;
        let (entry, current_setup) = current_epoch(&kv, sources)?;
        Ok(Self { protocol_state_id, kv, entry, current_setup })
    }

    /// Last view of the current epoch, extensions counted.
    pub(super) fn final_view(&self) -> u64 {
        final_view(&self.current_setup, &self.entry.current_epoch)
    }

    /// The epoch of this name, if the state has it.
    pub(super) fn epoch(&self, name: EpochName) -> Option<&EpochStateContainer> {
        container(&self.entry, name)
    }

    /// The view lies in the current epoch.
    pub(super) fn contains_view(&self, view: u64) -> Result<(), Violation> {
        let (first_view, final_view) = (self.current_setup.first_view, self.final_view());
        if (first_view..=final_view).contains(&view) {
            return Ok(());
        }
        let counter = self.current_setup.counter;
        Err(Violation::ViewOutsideEpoch { view, counter, first_view, final_view })
    }
}

/// Opens the key-value store that `roots` commit to, of a version that the header's network may run;
/// of another version, what is proved of its schedule decides what that means.
pub(super) fn key_value_store(
    header: &Header,
    roots: &PayloadRoots,
    sources: Sources<'_>,
    schedule: impl FnOnce() -> Schedule,
) -> Result<KvStore, Rejection> {
    let id = roots.protocol_state_id;
    let version = sources.kv_store_version(id)?;
    if Versions::of_chain(&header.chain_id).include(version) {
        return sources.kv_store(id);
    }
    Err(schedule().verdict(header, version))
}

fn container(entry: &EpochStateEntry, name: EpochName) -> Option<&EpochStateContainer> {
    match name {
        EpochName::Previous => entry.previous_epoch.as_ref(),
        EpochName::Current => Some(&entry.current_epoch),
        EpochName::Next => entry.next_epoch.as_ref(),
    }
}

/// Last view of an epoch, extensions counted.
pub(super) fn final_view(setup: &EpochSetup, container: &EpochStateContainer) -> u64 {
    container.epoch_extensions.last().map_or(setup.final_view, |extension| extension.final_view)
}

/// First view of a state's current epoch, 0 when it cannot be opened: no block of the state has one
/// below it.
pub(super) fn first_view(sources: Sources<'_>, protocol_state_id: Identifier) -> u64 {
    let kv = sources.kv_store(protocol_state_id);
    let opened = kv.and_then(|kv| current_epoch(&kv, sources));
    opened.map_or(0, |(_, setup)| setup.first_view)
}

/// The epoch state that a store names, and the setup of its current epoch.
pub(super) fn current_epoch(
    kv: &KvStore,
    sources: Sources<'_>,
) -> Result<(Arc<EpochStateEntry>, Arc<EpochSetup>), Rejection> {
    let entry = sources.epoch_state(kv.epoch_state_id)?;
    let setup = sources.setup(entry.current_epoch.setup_id)?;
    Ok((entry, setup))
}

/// IDs of the preimages behind a protocol state, as far as they can be followed.
pub(super) fn reachable(sources: Sources<'_>, protocol_state_id: Identifier) -> Vec<Identifier> {
    let mut ids = [protocol_state_id].to_vec();
    let Ok(kv) = sources.kv_store(protocol_state_id) else {
        return ids;
    };
    ids.push(kv.epoch_state_id);
    if let Ok(entry) = sources.epoch_state(kv.epoch_state_id) {
        let epochs = [EpochName::Previous, EpochName::Current, EpochName::Next];
        let containers = epochs.into_iter().filter_map(|name| container(&entry, name));
        ids.extend(containers.flat_map(|container| [container.setup_id, container.commit_id]));
    }
    ids
}
