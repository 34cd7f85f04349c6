//! Reading what C points at, and handing out what Rust allocated.

use std::ffi::{CStr, CString, c_char};
use std::{ptr, slice};

use weir_ffi::WeirError;

/// Bytes that this library allocated; freed by `weir_bytes_free`.
#[repr(C)]
#[derive(Debug)]
pub struct WeirBytes {
    /// The first byte; NULL when there are none.
    pub data: *mut u8,
    /// How many bytes.
    pub len: usize,
}

impl WeirBytes {
    pub(crate) const EMPTY: Self = Self { data: ptr::null_mut(), len: 0 };

    /// Hands bytes out.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let len = bytes.len();
        Self { data: Box::into_raw(bytes.into_boxed_slice()).cast(), len }
    }

    /// Takes them back.
    ///
    /// # Safety
    /// It is [`Self::EMPTY`], or [`Self::of`] made it and nobody took it back.
    pub(crate) unsafe fn take(self) -> Vec<u8> {
        if self.data.is_null() {
            return Vec::new();
        }
        let bytes = ptr::slice_from_raw_parts_mut(self.data, self.len);
        // SAFETY: `of` made it of such a box.
        unsafe { Box::from_raw(bytes) }.into_vec()
    }
}

/// The bytes at `data`.
///
/// # Safety
/// `data` is NULL, or `len` bytes can be read there as long as the result lives.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8], WeirError> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null("the bytes"));
    }
    if isize::try_from(len).is_err() {
        return Err(WeirError::usage(&"no memory has so many bytes"));
    }
    // SAFETY: not NULL, not longer than memory; the rest as the caller promises.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The text at `text`.
///
/// # Safety
/// `text` is NULL, or ends with a NUL and can be read as long as the result lives.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, WeirError> {
    if text.is_null() {
        return Err(null("a text"));
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| WeirError::usage(&"a text is not UTF-8"))
}

/// What a handle stands for.
///
/// # Safety
/// `handle` is NULL, or points to a `T` as long as the result lives.
pub(crate) unsafe fn handle<'a, T>(handle: *const T) -> Result<&'a T, WeirError> {
    // SAFETY: as the caller promises.
    unsafe { handle.as_ref() }.ok_or_else(|| null("the handle"))
}

/// Where a result goes; holds `empty` until there is one.
///
/// # Safety
/// `place` is NULL, or a `T` may be written there.
pub(crate) unsafe fn place<T>(place: *mut T, empty: T) -> Result<*mut T, WeirError> {
    if place.is_null() {
        return Err(null("the place for the result"));
    }
    // SAFETY: not NULL, so it may be written, as the caller promises.
    unsafe { write(place, empty) };
    Ok(place)
}

/// Writes a result, without reading what was there.
///
/// # Safety
/// A `T` may be written at `place`.
pub(crate) unsafe fn write<T>(place: *mut T, value: T) {
    // SAFETY: as the caller promises.
    unsafe { place.write(value) };
}

/// A text for C.
pub(crate) fn c_string(text: &str) -> CString {
    // Neither JSON nor a message of the verifier holds a NUL; an argument's may, quoted.
    CString::new(text.replace('\0', "")).expect("all NULs are removed")
}

fn null(what: &str) -> WeirError {
    WeirError::usage(&format!("{what}: NULL"))
}
