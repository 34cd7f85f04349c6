//! `flow.access.AccessAPI`, as far as protocol state can answer it, over any view of a chain.
//!
//! Both who stands in for an access node and who simulates one answer with this, so that requests,
//! messages, start rules and limits are the same. It knows no store and no network: a [`View`] does.
#![forbid(unsafe_code)]

mod messages;
mod refusal;
mod service;
mod subscriptions;
mod view;

pub use messages::full_block_message;
pub use refusal::Refusal;
pub use service::AccessService;
pub use view::{
    BlockName, BlockStatus, FoundBlock, FoundHeader, FullBlock, Head, View, parent_voter_ids,
};
