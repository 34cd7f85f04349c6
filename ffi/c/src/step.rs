//! What a client says to do, and what it hears.

use std::ffi::c_char;
use std::ptr;

use weir_ffi::Step;

use crate::client::WeirClient;
use crate::error::{WeirError, WeirStatus, run};
use crate::memory::{WeirBytes, bytes, c_string, handle, place, text, write};
use crate::tell;

/// The task has ended: take what it told.
pub const WEIR_STEP_DONE: u32 = 0;
/// Send `message` to the method `path` of the server, and say what came back.
pub const WEIR_STEP_CALL: u32 = 1;
/// As `WEIR_STEP_CALL`, but the method streams: once it is open, say so with `weir_client_hear` and no
/// bytes. A stream before it is of no use any more.
pub const WEIR_STEP_SUBSCRIBE: u32 = 2;
/// Wait up to `patience_ms` for the next message of the stream, and say what it is.
pub const WEIR_STEP_NEXT: u32 = 3;
/// Nothing, but a sync has come so far.
pub const WEIR_STEP_PROGRESS: u32 = 4;

/// What to do next; freed by `weir_step_free`.
#[repr(C)]
#[derive(Debug)]
pub struct WeirStep {
    /// One of `WEIR_STEP_…`, which says which of the other fields hold something.
    pub kind: u32,
    /// Which of the servers, by their order in the options.
    pub server: u32,
    /// Path of the method, such as `/weir.v1.SnapshotAPI/GetSnapshot`.
    pub path: *mut c_char,
    /// The request, as gRPC sends it without its frame.
    pub message: WeirBytes,
    /// Longest wait, milliseconds.
    pub patience_ms: u64,
    /// Newest epoch proved.
    pub epoch_counter: u64,
    /// Epoch of the checkpoint.
    pub first_epoch_counter: u64,
    /// Newest epoch as the server says; nothing proves it.
    pub target_epoch_counter: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

impl WeirStep {
    const DONE: Self = Self {
        kind: WEIR_STEP_DONE,
        server: 0,
        path: ptr::null_mut(),
        message: WeirBytes::EMPTY,
        patience_ms: 0,
        epoch_counter: 0,
        first_epoch_counter: 0,
        target_epoch_counter: 0,
        bytes_received: 0,
    };

    fn of(step: Step) -> Self {
        let call = |kind: u32, server: u32, path: &str, message: Vec<u8>| {
            let (path, message) = (c_string(path).into_raw(), WeirBytes::of(message));
            Self { kind, server, path, message, ..Self::DONE }
        };
        match step {
            Step::Call { server, path, message } => call(WEIR_STEP_CALL, server, &path, message),
            Step::Subscribe { server, path, message } => {
                call(WEIR_STEP_SUBSCRIBE, server, &path, message)
            }
            Step::Next { server, patience_ms } => {
                Self { kind: WEIR_STEP_NEXT, server, patience_ms, ..Self::DONE }
            }
            Step::Progress {
                epoch_counter,
                first_epoch_counter,
                target_epoch_counter,
                bytes_received,
            } => Self {
                kind: WEIR_STEP_PROGRESS,
                epoch_counter,
                first_epoch_counter,
                target_epoch_counter,
                bytes_received,
                ..Self::DONE
            },
            Step::Done => Self::DONE,
        }
    }
}

/// What to do next. `elapsed_ms` is a clock's that never goes back, `now_ms` the calendar's, Unix
/// milliseconds.
///
/// Writes it to `step`, to be freed by `weir_step_free`; `WEIR_STEP_DONE` unless the status is ok. Any
/// thread.
///
/// # Safety
/// `client` is NULL or not freed. `step` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_step(
    client: *const WeirClient,
    elapsed_ms: u64,
    now_ms: u64,
    step: *mut WeirStep,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let step = unsafe { place(step, WeirStep::DONE) }?;
        // SAFETY: as the caller promises.
        let client = unsafe { handle(client) }?;
        let next = WeirStep::of(client.0.step(elapsed_ms, now_ms));
        // SAFETY: `place` says so.
        unsafe { write(step, next) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Says what came back: the whole message, and of an answer the bytes of the header
/// `weir-receipt-bin`, if there is one. Of a stream that was opened, no bytes.
///
/// Keeps none of the arguments. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `message` is NULL or has `message_len` bytes, `receipt` is NULL or has
/// `receipt_len` bytes. `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_hear(
    client: *const WeirClient,
    server: u32,
    message: *const u8,
    message_len: usize,
    receipt: *const u8,
    receipt_len: usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let hear = |client: &WeirClient| {
        // SAFETY: as the caller promises.
        let message = unsafe { bytes(message, message_len) }?.to_vec();
        // SAFETY: as the caller promises.
        let receipt = unsafe { bytes(receipt, receipt_len) }?;
        let receipt = (!receipt.is_empty()).then(|| receipt.to_vec());
        client.0.hear(server, message, receipt);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { tell::act(client, error, hear) }
}

/// Says that there was no whole answer, and why.
///
/// Keeps none of the arguments. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `why` is NULL or ends with a NUL. `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_hear_nothing(
    client: *const WeirClient,
    server: u32,
    why: *const c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let hear = |client: &WeirClient| {
        // SAFETY: as the caller promises.
        client.0.hear_nothing(server, unsafe { text(why) }?);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { tell::act(client, error, hear) }
}

/// Says that the server refused: gRPC's status code, its message, and the bytes of the header
/// `grpc-status-details-bin`.
///
/// Keeps none of the arguments. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `message` is NULL or ends with a NUL. `details` is NULL or has
/// `details_len` bytes. `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_hear_refusal(
    client: *const WeirClient,
    server: u32,
    code: u8,
    message: *const c_char,
    details: *const u8,
    details_len: usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let hear = |client: &WeirClient| {
        // SAFETY: as the caller promises.
        let message = unsafe { text(message) }?;
        // SAFETY: as the caller promises.
        let details = unsafe { bytes(details, details_len) }?.to_vec();
        client.0.hear_refusal(server, code, message, details);
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { tell::act(client, error, hear) }
}
