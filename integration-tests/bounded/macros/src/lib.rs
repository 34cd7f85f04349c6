//! The attribute of `weir-bounded`, which documents it.
#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{ItemFn, Meta, Token, parse_macro_input, parse_quote};

type Arguments = Punctuated<Meta, Token![,]>;

/// Marks a test, and bounds it.
///
/// The body may be async or not. An async one runs on a runtime of tokio with the arguments of
/// `tokio::test`: `flavor`, `worker_threads`, `start_paused`. All other attributes of tests, such
/// as `#[ignore]` and `#[should_panic]`, mean what they always do, below this one or above it.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut arguments = parse_macro_input!(arguments with Arguments::parse_terminated);
    let ItemFn { attrs, sig, block, .. } = parse_macro_input!(item as ItemFn);
    let (name, output) = (&sig.ident, &sig.output);
    let runtime = sig.asyncness.map(|_| {
        if !arguments.iter().any(|argument| argument.path().is_ident("flavor")) {
            // What tokio::test takes; tokio::main would take the other.
            arguments.push(parse_quote!(flavor = "current_thread"));
        }
        quote!(#[::tokio::main(#arguments)])
    });
    if runtime.is_none() && !arguments.is_empty() {
        return quote!(compile_error!("arguments are for the runtime of an async test");).into();
    }
    // The body keeps its name, so that it hides no other item of the test's module.
    quote! {
        #(#attrs)*
        #[::core::prelude::v1::test]
        fn #name() #output {
            #runtime
            #sig #block
            ::bounded::run(concat!(module_path!(), "::", stringify!(#name)), #name)
        }
    }
    .into()
}
