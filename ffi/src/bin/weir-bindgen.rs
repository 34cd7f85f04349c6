//! Generates bindings from the library, as `cargo xtask ffi` asks for them.

fn main() {
    uniffi::uniffi_bindgen_main();
}
