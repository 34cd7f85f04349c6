//! What decoders of bytes from outside allocate, measured.
//!
//! This crate's allocator counts, so no other crate may depend on it. Its tests feed each decoder
//! bytes that are made to allocate most, and real ones of the largest size.
#![forbid(unsafe_code)]

pub mod rlp;

/// Runs a decoder, and returns the most bytes that it had allocated at once.
///
/// A list that grows counts twice while it moves, which is more than an allocator takes that grows
/// in place. What the value takes counts too; the input does not.
pub fn peak<T>(decode: impl FnOnce() -> T) -> usize {
    let info = allocation_counter::measure(|| drop(decode()));
    usize::try_from(info.bytes_max).unwrap_or(usize::MAX)
}

/// Checks that a decoder allocates at most [`FACTOR`] times its input and [`SMALL_BYTES`] besides,
/// and at most [`ANSWER_BYTES_MAX`].
///
/// # Panics
/// When it allocates more.
#[track_caller]
pub fn check<T>(name: &str, input_len: usize, decode: impl FnOnce() -> T) {
    let peak = peak(decode);
    let tenths = peak * 10 / input_len.max(1);
    println!(
        "{name}: {input_len} bytes in, {peak} allocated, {}.{} times",
        tenths / 10,
        tenths % 10
    );
    let max = (FACTOR * input_len + SMALL_BYTES).min(ANSWER_BYTES_MAX);
    assert!(peak <= max, "{name}: {peak} bytes for {input_len}, at most {max}");
}

/// Most bytes allocated for a byte of input.
pub const FACTOR: usize = 4;
/// What any decoder may allocate besides: 2 MiB.
pub const SMALL_BYTES: usize = 2 << 20;
/// Most bytes allocated for any answer: 256 MiB.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;
