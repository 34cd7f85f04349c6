//! Generates the languages' side of `weir-ffi` from its library, as `cargo xtask ffi` asks for it.
//!
//! A crate of its own, so that the library is built without it and needs no second build.
#![forbid(unsafe_code)]

fn main() {
    uniffi::uniffi_bindgen_main();
}
