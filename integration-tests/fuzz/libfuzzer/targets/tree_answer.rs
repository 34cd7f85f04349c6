//! See `weir_fuzz::tree_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::tree_answer(bytes));
