//! See `weir_fuzz::trusted_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::trusted_state(bytes));
