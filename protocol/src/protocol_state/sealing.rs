//! Which blocks a candidate seals, in order, and the service events this brings.
//!
//! Seals of a fork are contiguous by height, but a payload may list them in any order (flow-go
//! `state/protocol/protocol_state/state/mutable_protocol_state.go` and
//! `module/validation/seal_validator.go`). Who votes for a seal is not judged here.

use crate::model::{ExecutionResult, Identifier, Seal, ServiceEvent};
use alloc::vec::Vec;

/// Where a block stands on its fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPosition {
    /// Height.
    pub height: u64,
    /// ID of the parent block.
    pub parent_id: Identifier,
}

/// The highest block sealed as of a block, on its fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSealed {
    /// ID of the sealed block.
    pub block_id: Identifier,
    /// Its height.
    pub height: u64,
}

/// What a candidate's seals amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedResults<'a> {
    /// The highest block sealed as of the candidate.
    pub last_sealed: LastSealed,
    /// The sealed results, by ascending height of their blocks.
    pub results: Vec<&'a ExecutionResult>,
}

impl<'a> SealedResults<'a> {
    /// The results' service events, in the order the step wants them.
    #[must_use]
    pub fn service_events(&self) -> Vec<&'a ServiceEvent> {
        self.results.iter().flat_map(|result| &result.service_events).collect()
    }
}

/// Orders a candidate's seals by height and finds what they seal.
///
/// `parent` is the highest block sealed as of the candidate's parent. `block` knows the
/// candidate's ancestors by ID, and only those; `result` knows the results that the fork
/// includes, up to and with the candidate.
///
/// # Errors
/// When a seal names an unknown block or result, a result of another block, a block sealed
/// before, or one that does not follow the last sealed block.
pub fn order_seals<'a>(
    parent: LastSealed,
    seals: &[Seal],
    block: impl Fn(&Identifier) -> Option<BlockPosition>,
    result: impl Fn(&Identifier) -> Option<&'a ExecutionResult>,
) -> Result<SealedResults<'a>, SealingError> {
    let mut ordered = Vec::with_capacity(seals.len());
    for seal in seals {
        let position =
            block(&seal.block_id).ok_or(SealingError::UnknownBlock { block_id: seal.block_id })?;
        ordered.push((position, seal));
    }
    ordered.sort_by_key(|(position, _)| position.height);
    let mut last_sealed = parent;
    let mut results = Vec::with_capacity(seals.len());
    for (position, seal) in ordered {
        last_sealed = follow(last_sealed, position, seal.block_id)?;
        results.push(sealed_result(seal, &result)?);
    }
    Ok(SealedResults { last_sealed, results })
}

fn follow(
    last: LastSealed,
    position: BlockPosition,
    block_id: Identifier,
) -> Result<LastSealed, SealingError> {
    if block_id == last.block_id {
        return Err(SealingError::DuplicateSeal { block_id });
    }
    let found = position.height;
    if found <= last.height {
        return Err(SealingError::AlreadySealed { block_id, height: found });
    }
    let expected = last.height.saturating_add(1);
    if found != expected {
        return Err(SealingError::Gap { expected, found });
    }
    if position.parent_id != last.block_id {
        let expected = last.block_id;
        return Err(SealingError::OtherFork { block_id, expected, found: position.parent_id });
    }
    Ok(LastSealed { block_id, height: found })
}

fn sealed_result<'a>(
    seal: &Seal,
    result: impl Fn(&Identifier) -> Option<&'a ExecutionResult>,
) -> Result<&'a ExecutionResult, SealingError> {
    let result_id = seal.result_id;
    let result = result(&result_id).ok_or(SealingError::UnknownResult { result_id })?;
    if result.block_id != seal.block_id {
        let (expected, found) = (seal.block_id, result.block_id);
        return Err(SealingError::ResultOfOtherBlock { result_id, expected, found });
    }
    Ok(result)
}

/// Why seals do not extend a fork's sealed blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// A seal for a block that is no ancestor of the candidate.
    #[error("seal for unknown block {block_id}")]
    UnknownBlock {
        /// Block the seal names.
        block_id: Identifier,
    },
    /// A seal for a result that the fork does not include.
    #[error("seal for unknown result {result_id}")]
    UnknownResult {
        /// Result the seal names.
        result_id: Identifier,
    },
    /// A seal whose result is that of another block.
    #[error("expected result {result_id} to be of block {expected}, found block {found}")]
    ResultOfOtherBlock {
        /// Result the seal names.
        result_id: Identifier,
        /// Block the seal names.
        expected: Identifier,
        /// Block the result names.
        found: Identifier,
    },
    /// The last sealed block sealed once more, be it twice by the candidate.
    #[error("second seal for block {block_id}")]
    DuplicateSeal {
        /// Block sealed twice.
        block_id: Identifier,
    },
    /// A seal at or below the last sealed height.
    #[error("seal for block {block_id} at height {height}, which is sealed already")]
    AlreadySealed {
        /// Block the seal names.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// A height left out.
    #[error("expected a seal at height {expected}, found {found}")]
    Gap {
        /// Height after the last sealed one.
        expected: u64,
        /// Height of the next seal.
        found: u64,
    },
    /// A sealed block that is not a child of the one sealed before it.
    #[error("expected sealed block {block_id} to have parent {expected}, found {found}")]
    OtherFork {
        /// Block the seal names.
        block_id: Identifier,
        /// Block sealed before it.
        expected: Identifier,
        /// Its parent.
        found: Identifier,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const LAST: LastSealed = LastSealed { block_id: id(3), height: 3 };

    const fn id(number: u8) -> Identifier {
        Identifier([number; 32])
    }

    fn seal(block: u8, result: u8) -> Seal {
        Seal {
            block_id: id(block),
            result_id: id(result),
            final_state: Identifier::ZERO,
            aggregated_approval_sigs: Vec::new(),
        }
    }

    /// Blocks 1 to 9 in a row, block 15 a second child of block 3, results 101 to 109.
    fn check(seals: &[Seal]) -> Result<(u8, Vec<u64>), SealingError> {
        let results: Vec<ExecutionResult> = (1u8..10)
            .map(|number| ExecutionResult {
                previous_result_id: id(100 + number - 1),
                block_id: id(number),
                chunks: Vec::new(),
                service_events: vec![ServiceEvent::SetEpochExtensionViewCount {
                    value: u64::from(number),
                }],
                execution_data_id: Identifier::ZERO,
            })
            .collect();
        let block = |block_id: &Identifier| match block_id.0[0] {
            15 => Some(BlockPosition { height: 4, parent_id: id(2) }),
            number @ 1..10 => {
                Some(BlockPosition { height: number.into(), parent_id: id(number - 1) })
            }
            _ => None,
        };
        let result = |result_id: &Identifier| match result_id.0[0] {
            number @ 101..110 => results.get(usize::from(number - 101)),
            _ => None,
        };
        let sealed = order_seals(LAST, seals, block, result)?;
        let events = sealed.service_events();
        let values = events.iter().map(|event| match event {
            ServiceEvent::SetEpochExtensionViewCount { value } => *value,
            _ => 0,
        });
        Ok((sealed.last_sealed.block_id.0[0], values.collect()))
    }

    #[bounded::test]
    fn orders_seals_by_height() {
        let seals = [seal(6, 106), seal(4, 104), seal(5, 105)];
        assert_eq!(check(&seals), Ok((6, vec![4, 5, 6])));
        assert_eq!(check(&[]), Ok((3, vec![])));
    }

    #[bounded::test]
    fn rejects_a_gap() {
        let seals = [seal(4, 104), seal(6, 106)];
        assert_eq!(check(&seals), Err(SealingError::Gap { expected: 5, found: 6 }));
    }

    #[bounded::test]
    fn rejects_unknown_blocks_and_results() {
        let unknown = SealingError::UnknownBlock { block_id: id(77) };
        assert_eq!(check(&[seal(77, 104)]), Err(unknown));
        let unknown = SealingError::UnknownResult { result_id: id(77) };
        assert_eq!(check(&[seal(4, 77)]), Err(unknown));
    }

    #[bounded::test]
    fn rejects_the_result_of_another_block() {
        let (result_id, expected, found) = (id(105), id(4), id(5));
        let error = SealingError::ResultOfOtherBlock { result_id, expected, found };
        assert_eq!(check(&[seal(4, 105)]), Err(error));
    }

    #[bounded::test]
    fn rejects_a_second_seal() {
        let error = SealingError::DuplicateSeal { block_id: id(4) };
        assert_eq!(check(&[seal(4, 104), seal(4, 104)]), Err(error));
        let error = SealingError::DuplicateSeal { block_id: id(3) };
        assert_eq!(check(&[seal(3, 103)]), Err(error));
        let error = SealingError::AlreadySealed { block_id: id(2), height: 2 };
        assert_eq!(check(&[seal(2, 102)]), Err(error));
    }

    #[bounded::test]
    fn rejects_a_seal_of_another_fork() {
        let (block_id, expected, found) = (id(15), id(3), id(2));
        let error = SealingError::OtherFork { block_id, expected, found };
        assert_eq!(check(&[seal(15, 104)]), Err(error));
    }
}
