//! Where the verifier finds preimages: in evidence, among those held, or decoded before.

use super::{Missing, Rejection, Violation};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use weir_protocol::codec::rlp::{Decoder, RlpError};
use weir_protocol::evidence::Preimages;
use weir_protocol::model::{
    EpochCommit, EpochSetup, EpochStateEntry, ExecutionResult, Identifier, KvStore,
};

/// Preimages, and what some of them decode to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    preimages: &'a [&'a Preimages],
    decoded: &'a Decoded,
}

/// The epoch state and the setups of one protocol state, decoded before.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoded {
    protocol_state_id: Option<Identifier>,
    epoch_states: BTreeMap<Identifier, Arc<EpochStateEntry>>,
    setups: BTreeMap<Identifier, Arc<EpochSetup>>,
}

impl Decoded {
    /// Goes on to another protocol state; what cannot be decoded is left for later.
    pub(super) fn follow(&mut self, preimages: &Preimages, protocol_state_id: Identifier) {
        if self.protocol_state_id == Some(protocol_state_id) {
            return;
        }
        let before = core::mem::take(self);
        self.protocol_state_id = Some(protocol_state_id);
        let sources = Sources { preimages: &[preimages], decoded: &before };
        let Ok(kv) = sources.kv_store(protocol_state_id) else {
            return;
        };
        let Ok(entry) = sources.epoch_state(kv.epoch_state_id) else {
            return;
        };
        let others = [&entry.previous_epoch, &entry.next_epoch].into_iter().flatten();
        for container in others.chain([&entry.current_epoch]) {
            if let Ok(setup) = sources.setup(container.setup_id) {
                self.setups.insert(container.setup_id, setup);
            }
        }
        self.epoch_states.insert(kv.epoch_state_id, entry);
    }
}

impl<'a> Sources<'a> {
    /// Preimages alone.
    pub(super) fn new(preimages: &'a [&'a Preimages]) -> Self {
        Self { preimages, decoded: &NOTHING }
    }

    /// Preimages, some of which are decoded.
    pub(super) fn with_decoded(self, decoded: &'a Decoded) -> Self {
        Self { decoded, ..self }
    }

    /// A key-value store.
    pub(super) fn kv_store(&self, id: Identifier) -> Result<KvStore, Rejection> {
        self.open(KV_STORE, id, KvStore::decode)
    }

    /// Version of a key-value store, whether it is known or not.
    pub(super) fn kv_store_version(&self, id: Identifier) -> Result<u64, Rejection> {
        self.open(KV_STORE, id, KvStore::decode_version)
    }

    /// An epoch state.
    pub(super) fn epoch_state(&self, id: Identifier) -> Result<Arc<EpochStateEntry>, Rejection> {
        match self.decoded.epoch_states.get(&id) {
            Some(entry) => Ok(entry.clone()),
            None => self.open("epoch state", id, EpochStateEntry::decode).map(Arc::new),
        }
    }

    /// The setup event of an epoch.
    pub(super) fn setup(&self, id: Identifier) -> Result<Arc<EpochSetup>, Rejection> {
        match self.decoded.setups.get(&id) {
            Some(setup) => Ok(setup.clone()),
            None => self.open("epoch setup", id, EpochSetup::decode).map(Arc::new),
        }
    }

    /// The commit event of an epoch.
    pub(super) fn commit(&self, id: Identifier) -> Result<EpochCommit, Rejection> {
        self.open("epoch commit", id, EpochCommit::decode)
    }

    /// An execution result.
    pub(super) fn result(&self, id: Identifier) -> Result<ExecutionResult, Rejection> {
        self.open("execution result", id, ExecutionResult::decode)
    }

    /// Finds the preimage of `id` and decodes it to its end.
    fn open<T>(
        &self,
        what: &'static str,
        id: Identifier,
        decode: impl FnOnce(&mut Decoder<'a>) -> Result<T, RlpError>,
    ) -> Result<T, Rejection> {
        let bytes = self.preimages.iter().find_map(|preimages| preimages.get(&id));
        let mut decoder = Decoder::new(bytes.ok_or(Missing::Preimage { what, id })?);
        let value = decode(&mut decoder).and_then(|value| decoder.finish().map(|()| value));
        value.map_err(|source| Violation::Preimage { what, id, source }.into())
    }
}

const KV_STORE: &str = "key-value store";
static NOTHING: Decoded =
    Decoded { protocol_state_id: None, epoch_states: BTreeMap::new(), setups: BTreeMap::new() };
