//! See `weir_fuzz::request`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::request(&[]), |bytes: &[u8]| weir_fuzz::request(bytes));
