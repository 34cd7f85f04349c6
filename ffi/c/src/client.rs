//! The walk behind a handle.

use std::ffi::c_char;
use std::ptr;

use weir_ffi::Client;

use crate::error::{WeirError, WeirStatus, run};
use crate::memory::{WeirBytes, bytes, c_string, handle, place, text, write};
use crate::tell;

/// A client without its transport: it says what to send, and hears what came back. Opaque; freed by
/// `weir_client_free`.
///
/// It does one task at a time: `weir_client_begin`, then `weir_client_step` and what it says until it is
/// `WEIR_STEP_DONE`, then `weir_client_take`. A client that was started without kept bytes has a first
/// task already: to fetch the checkpoint. Several threads may use it at once: calls wait for one another.
#[derive(Debug)]
pub struct WeirClient(pub(crate) Client);

/// Begins at the checkpoint, which is fetched; or, with the bytes that were kept before, where nothing
/// is to be fetched. The caller vouches for those bytes.
///
/// `options` is JSON: `{"servers": [URL, ...], "checkpoint": ID}`, and perhaps `"clock": {"now_ms",
/// "trusting_period_ms", "past_committee_age_ms", "clock_skew_ms"}` and `"keep_evidence": true`. A server
/// that has to sign its answers is `URL#KEY`. No kept bytes are NULL and 0. Writes a client to `client`, to be freed by
/// `weir_client_free`; NULL unless the status is ok. Keeps none of the arguments. Any thread.
///
/// # Safety
/// `options` is NULL or ends with a NUL. `kept` is NULL or has `kept_len` bytes. `client` and `error` are
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_start(
    options: *const c_char,
    kept: *const u8,
    kept_len: usize,
    client: *mut *mut WeirClient,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let client = unsafe { place(client, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let options = unsafe { text(options) }?;
        // SAFETY: as the caller promises.
        let kept = unsafe { bytes(kept, kept_len) }?;
        let kept = (!kept.is_empty()).then(|| kept.to_vec());
        let started = Client::start(options, kept)?;
        // SAFETY: `place` says so.
        unsafe { write(client, Box::into_raw(Box::new(WeirClient(started)))) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Begins a task, JSON as docs/bindings.md has it, such as `{"task": "sync"}`.
///
/// Keeps none of the arguments. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `task` is NULL or ends with a NUL. `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_begin(
    client: *const WeirClient,
    task: *const c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let begin = |client: &WeirClient| {
        // SAFETY: as the caller promises.
        client.0.begin(unsafe { text(task) }?)
    };
    // SAFETY: as the caller promises.
    unsafe { tell::act(client, error, begin) }
}

/// Calls nobody any more: the next step is `WEIR_STEP_DONE`, and what was proved stays. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_cancel(
    client: *const WeirClient,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let cancel = |client: &WeirClient| {
        client.0.cancel();
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { tell::act(client, error, cancel) }
}

/// What the task told: the answer as JSON, `null` of a start, and evidence that stands alone, as `weir
/// verify` reads it, if it is kept.
///
/// Writes them to `value`, to be freed by `weir_text_free`, and to `evidence`, to be freed by
/// `weir_bytes_free`; NULL and empty unless the status is ok. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `value`, `evidence` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_take(
    client: *const WeirClient,
    value: *mut *mut c_char,
    evidence: *mut WeirBytes,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let value = unsafe { place(value, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let evidence = unsafe { place(evidence, WeirBytes::EMPTY) }?;
        // SAFETY: as the caller promises.
        let client = unsafe { handle(client) }?;
        let told = client.0.take()?;
        // SAFETY: `place` says so.
        unsafe { write(value, c_string(&told.value).into_raw()) };
        // SAFETY: `place` says so.
        unsafe { write(evidence, WeirBytes::of(told.evidence.unwrap_or_default())) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// What is trusted, as JSON, also while a task is on its way; `null` before the client began.
///
/// Writes it to `value`, to be freed by `weir_text_free`; NULL unless the status is ok. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `value` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_trusted(
    client: *const WeirClient,
    value: *mut *mut c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell::text(client, value, error, |client| client.0.trusted()) }
}

/// What is known of the servers and the network, as JSON: `{"lies", "remarks", "hops", "bytes_received",
/// "upgrade_ahead"}`; `null` while a task is on its way.
///
/// Writes it to `value`, to be freed by `weir_text_free`; NULL unless the status is ok. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `value` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_report(
    client: *const WeirClient,
    value: *mut *mut c_char,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell::text(client, value, error, |client| client.0.report()) }
}

/// What to keep, and to start with the next time; nothing before the client began.
///
/// Writes it to `kept`, to be freed by `weir_bytes_free`; empty unless the status is ok. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `kept` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_to_bytes(
    client: *const WeirClient,
    kept: *mut WeirBytes,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell::bytes(client, kept, error, |client| client.0.to_bytes()) }
}

/// What shows a lie of the report to others, by its place there, as `weir verify` reads it; nothing where
/// nothing does.
///
/// Writes it to `file`, to be freed by `weir_bytes_free`; empty unless the status is ok. Any thread.
///
/// # Safety
/// `client` is NULL or not freed. `file` and `error` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_misbehaviour(
    client: *const WeirClient,
    lie: u32,
    file: *mut WeirBytes,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    unsafe { tell::bytes(client, file, error, |client| client.0.misbehaviour(lie)) }
}
