//! See `weir_fuzz::hops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::hops(bytes));
