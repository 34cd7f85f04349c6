//! How a call ended, and the error it may leave behind.

use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use weir_ffi::WeirError as Failure;

use crate::memory::{c_string, write};

/// How a call ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeirStatus {
    /// It did what it is for.
    Ok = 0,
    /// Something is missing that the caller can get or mend: fetch it, take another checkpoint, set
    /// the clock.
    Missing = 1,
    /// A rule is broken: whoever sent the bytes is at fault.
    Invalid = 2,
    /// An argument that the caller has to correct.
    Usage = 3,
    /// A bug in this library. A state or client that was passed in is only good for freeing.
    Internal = 4,
    /// Nobody can prove it now.
    NotYet = 5,
    /// Only a newer version of this library understands it.
    NeedsUpdate = 6,
    /// No server gave an answer, or one refused and no other did better.
    Transport = 7,
}

/// Why a call failed. Opaque; freed by `weir_error_free`.
#[derive(Debug)]
pub struct WeirError {
    rule: CString,
    message: CString,
}

/// The rule that is broken, or what is missing, by its name in docs/rules.md.
///
/// Returns a text that lives as long as the error, or NULL for NULL. Any thread.
///
/// # Safety
/// `error` is NULL or was returned by this library and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_rule(error: *const WeirError) -> *const c_char {
    // SAFETY: as the caller promises.
    let error = unsafe { error.as_ref() };
    error.map_or(ptr::null(), |error| error.rule.as_ptr())
}

/// What was expected and what was found, for people.
///
/// Returns a text that lives as long as the error, or NULL for NULL. Any thread.
///
/// # Safety
/// `error` is NULL or was returned by this library and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_message(error: *const WeirError) -> *const c_char {
    // SAFETY: as the caller promises.
    let error = unsafe { error.as_ref() };
    error.map_or(ptr::null(), |error| error.message.as_ptr())
}

/// Frees an error; NULL is nothing to free.
///
/// # Safety
/// `error` is NULL or was returned by this library and not freed; nobody uses it or its texts
/// during the call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_free(error: *mut WeirError) {
    if !error.is_null() {
        // SAFETY: `run` made it of a box, and the caller promises that it is not freed.
        drop(unsafe { Box::from_raw(error) });
    }
}

/// Runs what a function does, keeps panics from C, and hands out how it ended.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn run(
    error: *mut *mut WeirError,
    body: impl FnOnce() -> Result<(), Failure>,
) -> WeirStatus {
    // Whatever a panic leaves half done is behind the trusted state's lock, which remembers it.
    let ended = catch_unwind(AssertUnwindSafe(body));
    let (status, left) = match ended {
        Ok(Ok(())) => (WeirStatus::Ok, ptr::null_mut()),
        Ok(Err(failure)) => (status_of(&failure), leave(failure.rule(), &failure.to_string())),
        Err(_) => (WeirStatus::Internal, leave("Internal", "a bug: please report it")),
    };
    // Who passes no place for the error gets none.
    if error.is_null() {
        // SAFETY: it was made two lines above, or is NULL.
        unsafe { weir_error_free(left) };
    } else {
        // SAFETY: not NULL, so it may be written, as the caller promises.
        unsafe { write(error, left) };
    }
    status
}

fn status_of(failure: &Failure) -> WeirStatus {
    match failure {
        Failure::Missing { .. } => WeirStatus::Missing,
        Failure::NotYet { .. } => WeirStatus::NotYet,
        Failure::NeedsUpdate { .. } => WeirStatus::NeedsUpdate,
        Failure::Invalid { .. } => WeirStatus::Invalid,
        Failure::Transport { .. } => WeirStatus::Transport,
        Failure::Usage { .. } => WeirStatus::Usage,
    }
}

fn leave(rule: &str, message: &str) -> *mut WeirError {
    Box::into_raw(Box::new(WeirError { rule: c_string(rule), message: c_string(message) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[bounded::test]
    fn a_panic_becomes_a_status() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` may be written.
        let status = unsafe { run(&raw mut error, || panic!("a bug")) };
        assert_eq!(status, WeirStatus::Internal);
        // SAFETY: it was just handed out.
        let rule = unsafe { weir_error_rule(error) };
        // SAFETY: the error is not freed yet.
        assert_eq!(unsafe { CStr::from_ptr(rule) }, c"Internal");
        // SAFETY: nobody else has it.
        unsafe { weir_error_free(error) };
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { run(ptr::null_mut(), || panic!("a bug")) }, WeirStatus::Internal);
    }

    #[bounded::test]
    fn a_success_clears_the_error() {
        let mut error = ptr::NonNull::dangling().as_ptr();
        // SAFETY: `error` may be written.
        let status = unsafe { run(&raw mut error, || Ok(())) };
        assert_eq!((status, error), (WeirStatus::Ok, ptr::null_mut()));
    }
}
