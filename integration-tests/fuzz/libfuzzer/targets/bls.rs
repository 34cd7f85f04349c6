//! See `weir_fuzz::bls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::bls(bytes));
