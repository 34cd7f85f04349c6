//! The end of what this library handed out.

use std::ffi::{CString, c_char};

use crate::memory::WeirBytes;
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
