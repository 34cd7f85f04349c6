//! See `weir_fuzz::block_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::block_message(bytes));
