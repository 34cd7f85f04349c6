//! See `weir_fuzz::evidence`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::evidence(&[]), |bytes: &[u8]| weir_fuzz::evidence(bytes));
