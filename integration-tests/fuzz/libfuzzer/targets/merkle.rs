//! See `weir_fuzz::merkle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::merkle(bytes));
