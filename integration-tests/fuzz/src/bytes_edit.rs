//! Edits of bytes that have no tree: JSON, and proofs that the question gives their shape.

use crate::input::Input;

/// Applies the edits that the rest of an input is.
pub(crate) fn edit(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..EDITS_MAX {
        if input.is_empty() || bytes.is_empty() {
            break;
        }
        let (kind, at) = (input.byte() % 6, input.number() % bytes.len());
        let (byte, from) = (input.byte(), input.number() % bytes.len());
        let end = from.saturating_add(usize::from(byte)).min(bytes.len());
        match kind {
            0 => bytes[at] ^= 1 << (byte % 8),
            1 => bytes[at] = byte,
            2 => bytes.insert(at, byte),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(from..end)),
            _ => {
                let copied = bytes[from..end].to_vec();
                bytes.splice(at..at, copied);
            }
        }
    }
}

/// More edits than that say nothing new.
const EDITS_MAX: usize = 32;
