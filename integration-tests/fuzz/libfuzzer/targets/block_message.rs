//! See `weir_fuzz::block_message`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::block_message(&[]), |bytes: &[u8]| weir_fuzz::block_message(bytes));
