//! What is done with a handle, and what it tells: a text or bytes.

use std::ffi::c_char;
use std::ptr;

use weir_ffi::WeirError as Failure;

use crate::error::{WeirError, WeirStatus, run};
use crate::memory::{WeirBytes, c_string, handle, place, write};

/// Does something with what a handle stands for.
///
/// # Safety
/// `subject` is NULL or not freed. `error` is NULL or may be written.
pub(crate) unsafe fn act<T>(
    subject: *const T,
    error: *mut *mut WeirError,
    act: impl FnOnce(&T) -> Result<(), Failure>,
) -> WeirStatus {
    // SAFETY: as the caller promises.
    let body = || act(unsafe { handle(subject) }?);
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Writes a text about what a handle stands for.
///
/// # Safety
/// As [`act`], and `text` is NULL or may be written.
pub(crate) unsafe fn text<T>(
    subject: *const T,
    text: *mut *mut c_char,
    error: *mut *mut WeirError,
    read: impl FnOnce(&T) -> String,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let text = unsafe { place(text, ptr::null_mut()) }?;
        // SAFETY: as the caller promises.
        let found = read(unsafe { handle(subject) }?);
        // SAFETY: `place` says so.
        unsafe { write(text, c_string(&found).into_raw()) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}

/// Writes bytes of what a handle stands for; none where it has none.
///
/// # Safety
/// As [`act`], and `bytes` is NULL or may be written.
pub(crate) unsafe fn bytes<T>(
    subject: *const T,
    bytes: *mut WeirBytes,
    error: *mut *mut WeirError,
    read: impl FnOnce(&T) -> Option<Vec<u8>>,
) -> WeirStatus {
    let body = || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { place(bytes, WeirBytes::EMPTY) }?;
        // SAFETY: as the caller promises.
        let found = read(unsafe { handle(subject) }?);
        // SAFETY: `place` says so.
        unsafe { write(bytes, WeirBytes::of(found.unwrap_or_default())) };
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { run(error, body) }
}
