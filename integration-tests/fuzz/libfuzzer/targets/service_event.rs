//! See `weir_fuzz::service_event`; what it knows is loaded before the clock of the first input starts.
#![no_main]

libfuzzer_sys::fuzz_target!(init: weir_fuzz::service_event(&[]), |bytes: &[u8]| weir_fuzz::service_event(bytes));
