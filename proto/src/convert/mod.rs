//! Wire messages to the model and back.

mod block;
mod error;
mod question;
mod request;
mod to_wire;
mod tree;
mod values;
mod watch;

pub use block::{block_from_wire, result_from_wire};
pub use error::ConvertError;
pub use question::{id_of_any_length, role_to_wire, status_to_wire};
pub use request::{Asked, Call, checkpoint_from_wire, hops_from_wire, request_to_wire};
pub use to_wire::{block_to_wire, header_to_wire, light_block_to_wire, result_to_wire};
pub use tree::{TREE_ITEMS_MAX, tree_from_wire};
pub use values::{CurrentEpoch, block_reference, epoch_to_wire, identity_to_wire, state_to_wire};
pub use watch::{notice_from_wire, watch_from_wire, watch_to_wire};
