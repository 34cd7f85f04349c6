//! The caller's clock, and what needs no trusted state.

use std::ffi::c_char;
use std::ptr;

use weir_ffi::{Timing, View, WeirError as Failure};

use crate::error::{WeirError, WeirStatus, run};
use crate::memory::{bytes, c_string, place, text, write};

/// Everything that an answer says.
pub const WEIR_VIEW_WHOLE: u32 = 0;
/// Of a snapshot, the epoch.
pub const WEIR_VIEW_EPOCH: u32 = 1;
/// Of a snapshot, how far the block is.
pub const WEIR_VIEW_STATUS: u32 = 2;

/// The caller's clock, and the bounds it sets; see `weir_timing_at`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WeirTiming {
    /// The time, Unix milliseconds.
    pub now_ms: u64,
    /// Trust is extended only from a block at most so old, in milliseconds: an hour to ten years. What
    /// only the committee of an epoch before the trusted head's certifies is believed as long.
    pub trusting_period_ms: u64,
    /// How far ahead of the clock a block may be, in milliseconds: at most a day.
    pub clock_skew_ms: u64,
}

impl From<WeirTiming> for Timing {
    fn from(timing: WeirTiming) -> Self {
        let WeirTiming { now_ms, trusting_period_ms, clock_skew_ms } = timing;
        Self { now_ms, trusting_period_ms, clock_skew_ms }
    }
}

/// The time `now_ms`, Unix milliseconds, with the widest trusting period, ten years, and the usual
/// clock skew, half a minute. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn weir_timing_at(now_ms: u64) -> WeirTiming {
    let Timing { now_ms, trusting_period_ms, clock_skew_ms } = weir_ffi::timing_at(now_ms);
    WeirTiming { now_ms, trusting_period_ms, clock_skew_ms }
}

/// Verifies evidence saved by `weir --save`, from a checkpoint's ID, 64 hexadecimal digits.
///
/// Writes the answer as JSON to `answer`, to be freed by `weir_text_free`; NULL unless the status
/// is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `checkpoint_id` is NULL or ends with a NUL. `evidence` is NULL or has `evidence_len` bytes.
/// `answer` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_verify_file(
    checkpoint_id: *const c_char,
    evidence: *const u8,
    evidence_len: usize,
    timing: WeirTiming,
    view: u32,
    answer: *mut *mut c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let answer = unsafe { place(answer, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let checkpoint_id = unsafe { text(checkpoint_id) }?;
        // SAFETY: as the caller promises.
        let evidence = unsafe { bytes(evidence, evidence_len) }?.to_vec();
        let found =
            weir_ffi::verify_file(checkpoint_id, evidence, timing.into(), read_view(view)?)?;
        // SAFETY: `place` says so.
        unsafe { write(answer, c_string(&found).into_raw()) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Verifies an answer of a snapshot tree under `root`, 64 hexadecimal digits, which the caller
/// trusts as it would trust a block ID.
///
/// `items` is a JSON list of `{"node": ID}`, `{"role": NAME}`, `{"field": NAME}` and `"table"`.
/// Writes the answer as JSON to `answer`, to be freed by `weir_text_free`; NULL unless the status
/// is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `root` and `items` are NULL or end with a NUL. `proof` is NULL or has `proof_len` bytes.
/// `answer` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_verify_tree(
    root: *const c_char,
    items: *const c_char,
    proof: *const u8,
    proof_len: usize,
    answer: *mut *mut c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let answer = unsafe { place(answer, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let root = unsafe { text(root) }?;
        // SAFETY: as the caller promises.
        let items = unsafe { text(items) }?;
        // SAFETY: as the caller promises.
        let proof = unsafe { bytes(proof, proof_len) }?.to_vec();
        let found = weir_ffi::verify_tree(root, items, proof)?;
        // SAFETY: `place` says so.
        unsafe { write(answer, c_string(&found).into_raw()) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

pub(crate) fn read_view(view: u32) -> Result<View, Failure> {
    match view {
        WEIR_VIEW_WHOLE => Ok(View::Whole),
        WEIR_VIEW_EPOCH => Ok(View::Epoch),
        WEIR_VIEW_STATUS => Ok(View::Status),
        _ => Err(Failure::usage(&"the view is one of WEIR_VIEW_…")),
    }
}
