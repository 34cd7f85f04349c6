//! The trusted state, behind a lock.

use std::sync::{Mutex, MutexGuard};

use weir_protocol::evidence::{AnswerProof, HopsPage};
use weir_protocol::model::Identifier;
use weir_verifier::json;

use crate::verify::read_json;
use crate::{Block, Held, HopsApplied, Timing, View, WeirError};

/// A checkpoint and what is proved from it.
///
/// Several threads may use it at once: calls wait for one another.
#[derive(Debug)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct TrustedState(Mutex<weir_verifier::TrustedState>);

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl TrustedState {
    /// Opens a checkpoint: its ID, 64 hexadecimal digits, is trusted; the evidence is not.
    ///
    /// # Errors
    /// As the verifier's, and when the bytes are not evidence.
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn from_checkpoint(checkpoint_id: &str, evidence: Vec<u8>) -> Result<Self, WeirError> {
        let checkpoint_id = json::identifier(checkpoint_id)?;
        let trusted = weir_verifier::TrustedState::from_checkpoint_bytes(checkpoint_id, &evidence)?;
        Ok(Self(Mutex::new(trusted.into_value())))
    }

    /// Takes over what was kept before; the caller vouches for the bytes.
    ///
    /// # Errors
    /// When the bytes are not a trusted state.
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, WeirError> {
        Ok(Self(Mutex::new(weir_verifier::TrustedState::from_bytes(&bytes)?)))
    }

    /// What to keep: one byte string, the same for the same state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lock().to_bytes()
    }

    /// Applies a page of epoch hops.
    ///
    /// # Errors
    /// As the verifier's; hops before the failing one stay applied.
    pub fn apply_hops(&self, evidence: Vec<u8>, timing: Timing) -> Result<HopsApplied, WeirError> {
        let timing = timing.check()?;
        let evidence = HopsPage::from_bytes(&evidence)?;
        let found = self.lock().apply_hops(&evidence, &timing)?;
        Ok(HopsApplied { skipped: found.skipped, applied: found.applied, more: found.more })
    }

    /// Verifies the answer to a question, and moves the head up to its block if that is final and
    /// newer; returns the answer as `weir --json` prints it.
    ///
    /// # Errors
    /// As the verifier's; a rejected answer changes nothing.
    pub fn verify(
        &self,
        question: &str,
        evidence: Vec<u8>,
        timing: Timing,
        view: View,
    ) -> Result<String, WeirError> {
        let timing = timing.check()?;
        let question = json::question(&read_json(question)?)?;
        let shape = json::shape(&question, view.name())?;
        let evidence = AnswerProof::from_bytes(&evidence)?;
        let answer = self.lock().verify(&question, &evidence, &timing)?;
        Ok(json::render(shape, &answer).to_string())
    }

    /// What to send with a request.
    #[must_use]
    pub fn held(&self) -> Held {
        let held = self.lock().held();
        let bytes = |id: &Identifier| id.as_bytes().to_vec();
        let optional = |id: Option<Identifier>| id.as_ref().map(bytes).unwrap_or_default();
        Held {
            checkpoint_id: optional(held.checkpoint_id),
            head_id: optional(held.head_id),
            newest_epoch_counter: held.newest_epoch_counter,
            preimage_ids: held.preimage_ids.iter().map(bytes).collect(),
        }
    }

    /// Network of the checkpoint, such as `flow-mainnet`.
    #[must_use]
    pub fn chain_id(&self) -> String {
        self.lock().chain_id().to_owned()
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Block {
        self.lock().checkpoint().into()
    }

    /// Newest block proved final, at first the checkpoint.
    #[must_use]
    pub fn head(&self) -> Block {
        self.lock().head().into()
    }

    /// Oldest epoch whose committee is known: the checkpoint's.
    #[must_use]
    pub fn oldest_epoch_counter(&self) -> u64 {
        self.lock().oldest_epoch().counter()
    }

    /// Newest epoch whose committee is known.
    #[must_use]
    pub fn newest_epoch_counter(&self) -> u64 {
        self.lock().newest_epoch().counter()
    }
}

impl TrustedState {
    fn lock(&self) -> MutexGuard<'_, weir_verifier::TrustedState> {
        self.0.lock().expect("no call panicked while it changed the state")
    }
}
