//! The trusted state, as pages hold it.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use weir_protocol::evidence::{AnswerProof, HopsPage};
use weir_verifier::json;
use weir_verifier::{Timing, TrustedBlock};

use crate::error::usage;
use crate::question;
use crate::rejection::{not_a_state, not_evidence, rejection};
use crate::value::{read_whole, set, to_js, whole};

/// A checkpoint and what is proved from it.
///
/// Every method throws an `Error` with `kind` and `rule` beside its message: `missing`, `not-yet` or
/// `needs-update` and what it is, `invalid` and the rule that is broken, or `usage`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct TrustedState {
    trusted: weir_verifier::TrustedState,
    leaves_seal: bool,
}

#[wasm_bindgen]
impl TrustedState {
    /// Opens a checkpoint: its ID, 64 hexadecimal digits, is trusted; the evidence is not.
    ///
    /// # Errors
    /// As the verifier's, and when the bytes are not evidence.
    #[wasm_bindgen(js_name = fromCheckpoint)]
    pub fn from_checkpoint(checkpoint_id: &str, evidence: &[u8]) -> Result<Self, JsValue> {
        let checkpoint_id = question::identifier(checkpoint_id)?;
        let trusted = weir_verifier::TrustedState::from_checkpoint_bytes(checkpoint_id, evidence)
            .map_err(|rejected| rejection(&rejected))?;
        Ok(Self { trusted: trusted.into_value(), leaves_seal: false })
    }

    /// Takes over what was kept before; the caller vouches for the bytes.
    ///
    /// # Errors
    /// When the bytes are not a trusted state.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, JsValue> {
        let trusted = weir_verifier::TrustedState::from_bytes(bytes);
        let trusted = trusted.map_err(not_a_state)?;
        Ok(Self { trusted, leaves_seal: false })
    }

    /// What to keep: one byte string, the same for the same state.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.trusted.to_bytes()
    }

    /// Applies a page of epoch hops, at the time `now` in Unix milliseconds, or `{now_ms,
    /// trusting_period_ms, past_committee_age_ms, clock_skew_ms}`; returns `{skipped, applied, more}`.
    ///
    /// # Errors
    /// As the verifier's; hops before the failing one stay applied.
    #[wasm_bindgen(js_name = applyHops)]
    pub fn apply_hops(&mut self, evidence: &[u8], now: &JsValue) -> Result<JsValue, JsValue> {
        let timing = read_timing(now)?;
        let evidence = HopsPage::from_bytes(evidence).map_err(not_evidence)?;
        let applied =
            self.trusted.apply_hops(&evidence, &timing).map_err(|rejected| rejection(&rejected))?;
        let object = Object::new();
        set(&object, "skipped", &whole(applied.skipped));
        set(&object, "applied", &whole(applied.applied));
        set(&object, "more", &applied.more.into());
        Ok(object.into())
    }

    /// Verifies the answer to a question, and moves the head up to its block if that is final and
    /// newer; returns the answer as `weir --json` prints it.
    ///
    /// # Errors
    /// As the verifier's; a rejected answer changes nothing.
    pub fn verify(
        &mut self,
        question: &JsValue,
        evidence: &[u8],
        now: &JsValue,
        view: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let timing = read_timing(now)?;
        let question = question::read(question)?;
        let shape = question::shape(&question, view.as_deref())?;
        let evidence = AnswerProof::from_bytes(evidence).map_err(not_evidence)?;
        let read = self.trusted.read(&question, &evidence, &timing, |block| {
            Ok((block.answer()?, block.leaves_seal()))
        });
        let (answer, leaves_seal) = read.map_err(|rejected| rejection(&rejected))?;
        self.leaves_seal = leaves_seal;
        Ok(to_js(&json::render(shape, &answer)))
    }

    /// Whether the evidence verified last has a seal that nothing known yet proves: it may lie in a later
    /// epoch, after which the same question has a better answer.
    #[wasm_bindgen(js_name = leavesSeal)]
    #[must_use]
    pub fn leaves_seal(&self) -> bool {
        self.leaves_seal
    }

    /// What to send with a request, so that the answer leaves it out: `{checkpoint_id, head_id,
    /// newest_epoch_counter, preimage_ids}`.
    #[must_use]
    pub fn held(&self) -> JsValue {
        let held = self.trusted.held();
        let object = Object::new();
        for (name, id) in [("checkpoint_id", held.checkpoint_id), ("head_id", held.head_id)] {
            set(&object, name, &id.map(|id| id.to_hex()).into());
        }
        set(&object, "newest_epoch_counter", &whole(held.newest_epoch_counter));
        let ids: Array = held.preimage_ids.iter().map(|id| JsValue::from(id.to_hex())).collect();
        set(&object, "preimage_ids", &ids);
        object.into()
    }

    /// What is trusted: `{chain_id, checkpoint, head, oldest_epoch_counter,
    /// newest_epoch_counter}`, blocks as `{block_id, height, view, timestamp_ms}`.
    #[must_use]
    pub fn summary(&self) -> JsValue {
        let trusted = &self.trusted;
        let object = Object::new();
        set(&object, "chain_id", &trusted.chain_id().into());
        set(&object, "checkpoint", &block(trusted.checkpoint()));
        set(&object, "head", &block(trusted.head()));
        set(&object, "oldest_epoch_counter", &whole(trusted.oldest_epoch().counter()));
        set(&object, "newest_epoch_counter", &whole(trusted.newest_epoch().counter()));
        object.into()
    }
}

/// Verifies saved evidence that stands alone, from a checkpoint's ID; the question is the one saved
/// with it.
///
/// # Errors
/// As the verifier's.
#[wasm_bindgen(js_name = verifyFile)]
pub fn verify_file(
    checkpoint_id: &str,
    evidence: &[u8],
    now: &JsValue,
    view: Option<String>,
) -> Result<JsValue, JsValue> {
    let timing = read_timing(now)?;
    let checkpoint_id = question::identifier(checkpoint_id)?;
    let (question, answer) = weir_verifier::verify_file(checkpoint_id, evidence, &timing)
        .map_err(|rejected| rejection(&rejected))?;
    let shape = question::shape(&question, view.as_deref())?;
    Ok(to_js(&json::render(shape, &answer)))
}

fn block(block: &TrustedBlock) -> JsValue {
    let object = Object::new();
    set(&object, "block_id", &block.block_id.to_hex().into());
    set(&object, "height", &whole(block.height));
    set(&object, "view", &whole(block.view));
    set(&object, "timestamp_ms", &whole(block.timestamp_ms));
    object.into()
}

/// The caller's clock, and the bounds it sets.
fn read_timing(now: &JsValue) -> Result<Timing, JsValue> {
    if let Some(now_ms) = read_whole(now) {
        return Ok(Timing::at(now_ms));
    }
    let number = |name: &str| number(now, name);
    let now_ms = number("now_ms")?.ok_or_else(|| usage("the time is Unix milliseconds"))?;
    let mut timing = Timing::at(now_ms);
    if let Some(period) = number("trusting_period_ms")? {
        let bounded = timing.with_trusting_period_ms(period);
        timing = bounded.map_err(|error| usage(&error.to_string()))?;
    }
    if let Some(age) = number("past_committee_age_ms")? {
        let bounded = timing.with_past_committee_age_ms(age);
        timing = bounded.map_err(|error| usage(&error.to_string()))?;
    }
    if let Some(skew) = number("clock_skew_ms")? {
        timing = timing.with_clock_skew_ms(skew).map_err(|error| usage(&error.to_string()))?;
    }
    Ok(timing)
}

/// A field with a whole number, if there is such a field.
fn number(object: &JsValue, name: &str) -> Result<Option<u64>, JsValue> {
    let value = Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    if value.is_undefined() {
        return Ok(None);
    }
    let found = read_whole(&value);
    found.map(Some).ok_or_else(|| usage("a number of milliseconds is whole and not negative"))
}
