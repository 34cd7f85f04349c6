//! The trusted state behind a handle.

use std::ffi::c_char;
use std::ptr;

use weir_ffi::{Block, Held, TrustedState};

use crate::error::{WeirError, WeirStatus, run};
use crate::memory::{WeirBytes, bytes, c_string, handle, place, text, write};
use crate::tell;
use crate::verify::{WeirTiming, read_view};

/// A checkpoint and what is proved from it. Opaque; freed by `weir_trusted_state_free`.
///
/// Several threads may use it at once: calls wait for one another.
#[derive(Debug)]
pub struct WeirTrustedState(TrustedState);

/// What became of a page of epoch hops.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WeirHopsApplied {
    /// Hops of epochs that were known already.
    pub skipped: u64,
    /// Hops that each proved the next epoch.
    pub applied: u64,
    /// Whether the server says that it has more.
    pub more: bool,
}

/// What a request says is held, so that the answer leaves it out: the fields of the message
/// `weir.v1.Held`.
#[repr(C)]
#[derive(Debug)]
pub struct WeirHeld {
    /// ID of the checkpoint.
    pub checkpoint_id: [u8; 32],
    /// ID of the newest block proved final.
    pub head_id: [u8; 32],
    /// Newest epoch whose committee is known.
    pub newest_epoch_counter: u64,
    /// IDs of preimages, 32 bytes each, at most 1,024; freed by `weir_bytes_free`.
    pub preimage_ids: WeirBytes,
}

/// A block that is proved final.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WeirBlock {
    /// Its ID: 64 hexadecimal digits and a NUL.
    pub block_id: [c_char; 65],
    /// Its height.
    pub height: u64,
    /// Its view.
    pub view: u64,
    /// Its time, Unix milliseconds.
    pub timestamp_ms: u64,
}

/// Opens a checkpoint: its ID, 64 hexadecimal digits, is trusted; the evidence is not.
///
/// Writes a trusted state to `state`, to be freed by `weir_trusted_state_free`; NULL unless the
/// status is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `checkpoint_id` is NULL or ends with a NUL. `evidence` is NULL or has `evidence_len` bytes.
/// `state` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_from_checkpoint(
    checkpoint_id: *const c_char,
    evidence: *const u8,
    evidence_len: usize,
    state: *mut *mut WeirTrustedState,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let state = unsafe { place(state, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let checkpoint_id = unsafe { text(checkpoint_id) }?;
        // SAFETY: as the caller promises.
        let evidence = unsafe { bytes(evidence, evidence_len) }?.to_vec();
        let opened = TrustedState::from_checkpoint(checkpoint_id, evidence)?;
        // SAFETY: `place` says so.
        unsafe { write(state, Box::into_raw(Box::new(WeirTrustedState(opened)))) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Takes over what was kept before; the caller vouches for the bytes.
///
/// Writes a trusted state to `state`, to be freed by `weir_trusted_state_free`; NULL unless the
/// status is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `data` is NULL or has `len` bytes. `state` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_from_bytes(
    data: *const u8,
    len: usize,
    state: *mut *mut WeirTrustedState,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let state = unsafe { place(state, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let opened = TrustedState::from_bytes(unsafe { bytes(data, len) }?.to_vec())?;
        // SAFETY: `place` says so.
        unsafe { write(state, Box::into_raw(Box::new(WeirTrustedState(opened)))) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// What to keep: one byte string, the same for the same state.
///
/// Writes it to `kept`, to be freed by `weir_bytes_free`; empty unless the status is ok. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `kept` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_to_bytes(
    state: *const WeirTrustedState,
    kept: *mut WeirBytes,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell::bytes(state, kept, error, |state| Some(state.0.to_bytes())) }
}

/// Applies a page of epoch hops; those before a failing one stay applied.
///
/// Writes what became of them to `applied`, zeros unless the status is ok. Keeps none of the
/// arguments. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `evidence` is NULL or has `evidence_len` bytes. `applied` and
/// `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_apply_hops(
    state: *const WeirTrustedState,
    evidence: *const u8,
    evidence_len: usize,
    timing: WeirTiming,
    applied: *mut WeirHopsApplied,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        let none = WeirHopsApplied { skipped: 0, applied: 0, more: false };
        // SAFETY: as the caller promises.
        let place = unsafe { place(applied, none) }?;
        // SAFETY: as the caller promises.
        let state = unsafe { handle(state) }?;
        // SAFETY: as the caller promises.
        let evidence = unsafe { bytes(evidence, evidence_len) }?.to_vec();
        let weir_ffi::HopsApplied { skipped, applied, more } =
            state.0.apply_hops(evidence, timing.into())?;
        // SAFETY: `place` says so.
        unsafe { write(place, WeirHopsApplied { skipped, applied, more }) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Verifies the answer to `question`, JSON as docs/bindings.md has it, and moves the head up to its
/// block if that is final and newer. A rejected answer changes nothing.
///
/// `view` is one of `WEIR_VIEW_…`. Writes the answer as JSON to `answer`, to be freed by
/// `weir_text_free`; NULL unless the status is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `question` is NULL or ends with a NUL. `evidence` is NULL or has
/// `evidence_len` bytes. `answer` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_verify(
    state: *const WeirTrustedState,
    question: *const c_char,
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
        let state = unsafe { handle(state) }?;
        // SAFETY: as the caller promises.
        let question = unsafe { text(question) }?;
        // SAFETY: as the caller promises.
        let evidence = unsafe { bytes(evidence, evidence_len) }?.to_vec();
        let found = state.0.verify(question, evidence, timing.into(), read_view(view)?)?;
        // SAFETY: `place` says so.
        unsafe { write(answer, c_string(&found).into_raw()) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// What to send with a request.
///
/// Writes it to `held`, whose `preimage_ids` are to be freed by `weir_bytes_free`; zeros unless the
/// status is ok. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `held` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_held(
    state: *const WeirTrustedState,
    held: *mut WeirHeld,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        let none = WeirHeld {
            checkpoint_id: [0; 32],
            head_id: [0; 32],
            newest_epoch_counter: 0,
            preimage_ids: WeirBytes::EMPTY,
        };
        // SAFETY: as the caller promises.
        let held = unsafe { place(held, none) }?;
        // SAFETY: as the caller promises.
        let Held { checkpoint_id, head_id, newest_epoch_counter, preimage_ids } =
            unsafe { handle(state) }?.0.held();
        let found = WeirHeld {
            checkpoint_id: id(&checkpoint_id),
            head_id: id(&head_id),
            newest_epoch_counter,
            preimage_ids: WeirBytes::of(preimage_ids.concat()),
        };
        // SAFETY: `place` says so.
        unsafe { write(held, found) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// The checkpoint.
///
/// Writes it to `block`, zeros unless the status is ok. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `block` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_checkpoint(
    state: *const WeirTrustedState,
    block: *mut WeirBlock,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell_block(state, block, error, TrustedState::checkpoint) }
}

/// Newest block proved final, at first the checkpoint.
///
/// Writes it to `block`, zeros unless the status is ok. Any thread.
///
/// # Safety
/// `state` is NULL or not freed. `block` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_head(
    state: *const WeirTrustedState,
    block: *mut WeirBlock,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell_block(state, block, error, TrustedState::head) }
}

/// Writes a block of the state.
///
/// # Safety
/// As [`weir_trusted_state_head`].
unsafe fn tell_block(
    state: *const WeirTrustedState,
    block: *mut WeirBlock,
    error: *mut *mut WeirError,
    read: impl FnOnce(&TrustedState) -> Block,
) -> WeirStatus {
    let body = || {
        let none = WeirBlock { block_id: [0; 65], height: 0, view: 0, timestamp_ms: 0 };
        // SAFETY: as the caller promises.
        let place = unsafe { place(block, none) }?;
        // SAFETY: as the caller promises.
        let Block { block_id: digits, height, view, timestamp_ms } =
            read(&unsafe { handle(state) }?.0);
        let mut block_id = none.block_id;
        for (to, digit) in block_id.iter_mut().zip(digits.bytes().take(64)) {
            *to = c_char::from_ne_bytes([digit]);
        }
        // SAFETY: `place` says so.
        unsafe { write(place, WeirBlock { block_id, height, view, timestamp_ms }) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// The 32 bytes of an ID.
fn id(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("an ID has 32 bytes")
}
