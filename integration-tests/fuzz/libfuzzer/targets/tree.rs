//! See `weir_fuzz::tree`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::tree(&[]), |bytes: &[u8]| weir_fuzz::tree(bytes));
