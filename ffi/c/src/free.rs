//! The end of what this library handed out.

use std::ffi::{CString, c_char};

use crate::client::WeirClient;
use crate::memory::WeirBytes;
use crate::step::WeirStep;
use crate::trusted_state::WeirTrustedState;

/// Frees a text, such as an answer; NULL is nothing to free.
///
/// # Safety
/// `text` is NULL, or this library handed it out to be freed so, and it was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_text_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it was made of such a string, and the caller promises that it is not freed.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// Frees bytes; none is nothing to free.
///
/// # Safety
/// `bytes` is empty, or this library handed it out, and it was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_bytes_free(bytes: WeirBytes) {
    // SAFETY: as the caller promises.
    drop(unsafe { bytes.take() });
}

/// Frees a trusted state; NULL is nothing to free.
///
/// # Safety
/// `state` is NULL, or this library handed it out, and it was not freed; nobody uses it during the
/// call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trusted_state_free(state: *mut WeirTrustedState) {
    if !state.is_null() {
        // SAFETY: it was made of a box, and the caller promises that it is not freed.
        drop(unsafe { Box::from_raw(state) });
    }
}

/// Frees a client; NULL is nothing to free.
///
/// # Safety
/// `client` is NULL, or this library handed it out, and it was not freed; nobody uses it during the
/// call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_client_free(client: *mut WeirClient) {
    if !client.is_null() {
        // SAFETY: it was made of a box, and the caller promises that it is not freed.
        drop(unsafe { Box::from_raw(client) });
    }
}

/// Frees what a step holds; one that holds nothing is nothing to free.
///
/// # Safety
/// This library handed the step out, and it was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_step_free(step: WeirStep) {
    // SAFETY: as the caller promises.
    unsafe { weir_text_free(step.path) };
    // SAFETY: as the caller promises.
    unsafe { weir_bytes_free(step.message) };
}
