//! See `weir_fuzz::service_event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::service_event(bytes));
