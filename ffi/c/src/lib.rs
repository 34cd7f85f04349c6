//! The light client for C: `weir.h` and what it declares, over the functions of `weir_ffi`.
//!
//! Nothing here decides anything. Every function checks its pointers for NULL, never unwinds into
//! C, and says who owns what. This crate is the workspace's only one with unsafe code.

mod client;
mod error;
mod free;
mod memory;
mod step;
mod tell;
mod trusted_state;
mod verify;

pub use client::{
    WeirClient, weir_client_begin, weir_client_cancel, weir_client_misbehaviour,
    weir_client_report, weir_client_start, weir_client_take, weir_client_to_bytes,
    weir_client_trusted,
};
pub use error::{WeirError, WeirStatus, weir_error_free, weir_error_message, weir_error_rule};
pub use free::{
    weir_bytes_free, weir_client_free, weir_step_free, weir_text_free, weir_trusted_state_free,
};
pub use memory::WeirBytes;
pub use step::{
    WEIR_STEP_CALL, WEIR_STEP_DONE, WEIR_STEP_NEXT, WEIR_STEP_PROGRESS, WEIR_STEP_SUBSCRIBE,
    WeirStep, weir_client_hear, weir_client_hear_nothing, weir_client_hear_refusal,
    weir_client_step,
};
pub use trusted_state::{
    WeirBlock, WeirHeld, WeirHopsApplied, WeirTrustedState, weir_trusted_state_apply_hops,
    weir_trusted_state_checkpoint, weir_trusted_state_from_bytes,
    weir_trusted_state_from_checkpoint, weir_trusted_state_head, weir_trusted_state_held,
    weir_trusted_state_to_bytes, weir_trusted_state_verify,
};
pub use verify::{
    WEIR_VIEW_EPOCH, WEIR_VIEW_STATUS, WEIR_VIEW_WHOLE, WeirTiming, weir_timing_at,
    weir_verify_file, weir_verify_tree,
};
