//! See `weir_fuzz::merkle_answer`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::merkle_answer(&[]), |bytes: &[u8]| weir_fuzz::merkle_answer(bytes));
