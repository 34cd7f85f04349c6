//! Wire messages to the model and back.

mod asked;
mod block;
mod error;
mod question;
mod to_wire;
mod tree;
mod values;
mod watch;

pub use asked::{Asked, asked_from_wire, held_from_wire, held_to_wire, proof_number};
pub use block::{block_from_wire, result_from_wire};
pub use error::ConvertError;
pub use question::{
    Request, epoch_from_wire, filter_from_wire, id_of_any_length, identifier, request_to_wire,
    role_to_wire, selector_from_wire, status_to_wire,
};
pub use to_wire::{block_to_wire, header_to_wire, light_block_to_wire, result_to_wire};
pub use tree::{TREE_ITEMS_MAX, tree_question_from_wire, tree_request_to_wire};
pub use values::{CurrentEpoch, block_reference, epoch_to_wire, identity_to_wire, state_to_wire};
pub use watch::{Level, WATCHED_BLOCKS_MAX, Watched, watched_from_wire, watched_to_wire};
