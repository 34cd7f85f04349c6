//! Protocol states, put together from stored preimages and kept for a while.

use std::sync::Arc;

use quick_cache::sync::Cache;
use weir_protocol::codec::rlp::{Decoder, RlpError};
use weir_protocol::model::{
    EpochCommit, EpochSetup, EpochStateContainer, EpochStateEntry, Identifier, KvStore,
};
use weir_protocol::protocol_state::{EpochEvents, ProtocolState, UntrustedProtocolState};

use super::ProverError;
use crate::store::Reader;

/// Loads protocol states by ID.
#[derive(Clone, Debug)]
pub struct States {
    reader: Reader,
    cache: Arc<Cache<Identifier, Arc<ProtocolState>>>,
}

impl States {
    /// Loads from `reader`.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader, cache: Arc::new(Cache::new(STATES_MAX)) }
    }

    /// The state with this ID.
    ///
    /// # Errors
    /// When a preimage is missing or does not fit: the store is damaged.
    pub fn load(&self, id: &Identifier) -> Result<Arc<ProtocolState>, ProverError> {
        if let Some(state) = self.cache.get(id) {
            return Ok(state);
        }
        let kv = self.decode(id, "key-value store", KvStore::decode)?;
        let entry = self.decode(&kv.epoch_state_id, "epoch state", EpochStateEntry::decode)?;
        let events = |container: &EpochStateContainer| self.events(container);
        let state = ProtocolState::new(UntrustedProtocolState {
            previous: entry.previous_epoch.as_ref().map(events).transpose()?,
            current: events(&entry.current_epoch)?,
            next: entry.next_epoch.as_ref().map(events).transpose()?,
            kv,
            epoch_state: entry,
        })?;
        let state = Arc::new(state);
        self.cache.insert(*id, state.clone());
        Ok(state)
    }

    /// The epoch state of the state with this ID, with its ID, and nothing that they name.
    pub(super) fn epoch_state(
        &self,
        id: &Identifier,
    ) -> Result<(Identifier, EpochStateEntry), ProverError> {
        let kv = self.decode(id, "key-value store", KvStore::decode)?;
        let entry = self.decode(&kv.epoch_state_id, "epoch state", EpochStateEntry::decode)?;
        Ok((kv.epoch_state_id, entry))
    }

    fn events(&self, container: &EpochStateContainer) -> Result<EpochEvents, ProverError> {
        let setup = self.decode(&container.setup_id, "epoch setup", EpochSetup::decode)?;
        let commit = if container.commit_id.is_zero() {
            None
        } else {
            Some(self.decode(&container.commit_id, "epoch commit", EpochCommit::decode)?)
        };
        Ok(EpochEvents { setup: Arc::new(setup), commit: commit.map(Arc::new) })
    }

    fn decode<T>(
        &self,
        id: &Identifier,
        what: &'static str,
        decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, RlpError>,
    ) -> Result<T, ProverError> {
        let bytes = self.reader.preimage(id)?.ok_or(ProverError::MissingPreimage { id: *id })?;
        decode(&mut Decoder::own(&bytes)).map_err(|source| ProverError::Malformed { what, source })
    }
}

/// States kept; each is about 200 KB on a large network.
const STATES_MAX: usize = 64;
