//! See `weir_fuzz::merkle_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::merkle_answer(bytes));
