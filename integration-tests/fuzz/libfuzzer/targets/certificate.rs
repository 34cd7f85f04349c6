//! See `weir_fuzz::certificate`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::certificate(&[]), |bytes: &[u8]| weir_fuzz::certificate(bytes));
