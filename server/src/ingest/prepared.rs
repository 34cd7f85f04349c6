//! What can be said of a block by itself, before its place in the chain is looked at.
//!
//! Most of the work on a block is hashing, and this part of it needs no other block: it may be done
//! for many blocks at once.

use weir_proto::convert;
use weir_proto::flow::entities;
use weir_protocol::codec::{Entity as _, entity_ids, payload_roots};
use weir_protocol::model::{Block, Identifier, PayloadRoots};

use super::{IngestError, Rule};
use crate::store::LoggedBlock;

/// A block whose message is well-formed and whose ID is its header's hash.
#[derive(Debug)]
pub struct Prepared {
    pub(super) block_id: Identifier,
    pub(super) block: Block,
    pub(super) roots: PayloadRoots,
    pub(super) result_ids: Vec<Identifier>,
}

impl Prepared {
    /// Parses a block and hashes all of it.
    ///
    /// # Errors
    /// When the message is malformed, or claims another ID than its header's hash.
    pub fn new(wire: entities::Block) -> Result<Self, IngestError> {
        let (claimed, height, view) = match &wire.block_header {
            Some(header) => (header.id.clone(), header.height, header.view),
            None => (wire.id.clone(), wire.height, 0),
        };
        let claimed = Identifier::try_from(&claimed[..]).unwrap_or_default();
        let fail = |rule| IngestError { block_id: claimed, height, view, rule: Box::new(rule) };
        let block = convert::block_from_wire(wire).map_err(|source| fail(source.into()))?;
        let block_id = block.header.id();
        if block_id != claimed {
            return Err(fail(Rule::BlockId { expected: block_id, found: claimed }));
        }
        Ok(Self::of(block_id, block))
    }

    /// Parses a block of the log and hashes all of it.
    ///
    /// # Errors
    /// When its payload is malformed or was pruned, or its ID is not its header's hash.
    pub(crate) fn logged(logged: LoggedBlock) -> Result<Self, String> {
        let id = logged.id;
        if logged.header.id() != id {
            return Err(format!("its header has another ID than {id}"));
        }
        let block = logged.into_block();
        let block = block.map_err(|error| format!("its payload is malformed: {error}"))?;
        let block = block.ok_or("its payload was pruned, and a state needs all before it")?;
        Ok(Self::of(id, block))
    }

    /// The block, and what its payload hash is made of.
    pub(crate) fn into_parts(self) -> (Block, PayloadRoots) {
        (self.block, self.roots)
    }

    fn of(block_id: Identifier, block: Block) -> Self {
        let result_ids = entity_ids(&block.payload.results);
        let roots = payload_roots(&block.payload, &result_ids);
        Self { block_id, block, roots, result_ids }
    }
}
