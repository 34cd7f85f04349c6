//! The participants of an epoch setup.

use super::IdentitySkeleton;
use super::clusters::grow;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// Participants of an epoch, and where flow-go has nil pointers between them.
///
/// An execution node can emit a setup with a null participant. flow-go decodes and hashes it, so
/// that honest nodes include its result, and panics where it must look at the participant. No
/// protocol state has such a setup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participants {
    nodes: Vec<IdentitySkeleton>,
    /// For each nil, ascending, how many nodes come before it.
    nil: Vec<u32>,
}

impl Participants {
    /// Without participants, on lists that have room already.
    pub(crate) fn on(nodes: Vec<IdentitySkeleton>, nil: Vec<u32>) -> Self {
        Self { nodes, nil }
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: Option<IdentitySkeleton>) {
        match entry {
            Some(node) => {
                grow(&mut self.nodes);
                self.nodes.push(node);
            }
            None => {
                let before = u32::try_from(self.nodes.len());
                grow(&mut self.nil);
                self.nil.push(before.expect("four billion nodes fill the memory first"));
            }
        }
    }

    /// All entries in their order, nil ones as `None`.
    pub fn entries(&self) -> impl Iterator<Item = Option<&IdentitySkeleton>> {
        let mut nodes = (0u32..).zip(&self.nodes).peekable();
        let mut nil = self.nil.iter().peekable();
        core::iter::from_fn(move || {
            let position = nodes.peek().map(|(position, _)| *position);
            match nil.next_if(|nil| position.is_none_or(|position| **nil <= position)) {
                Some(_) => Some(None),
                None => nodes.next().map(|(_, node)| Some(node)),
            }
        })
    }

    /// How many nodes come before the first nil, if there is one.
    #[must_use]
    pub fn first_nil(&self) -> Option<usize> {
        self.nil.first().map(|nil| *nil as usize)
    }
}

impl FromIterator<Option<IdentitySkeleton>> for Participants {
    fn from_iter<I: IntoIterator<Item = Option<IdentitySkeleton>>>(entries: I) -> Self {
        let mut participants = Self::default();
        entries.into_iter().for_each(|entry| participants.push(entry));
        participants
    }
}

impl FromIterator<IdentitySkeleton> for Participants {
    fn from_iter<I: IntoIterator<Item = IdentitySkeleton>>(nodes: I) -> Self {
        Vec::from_iter(nodes).into()
    }
}

impl From<Vec<IdentitySkeleton>> for Participants {
    fn from(nodes: Vec<IdentitySkeleton>) -> Self {
        Self { nodes, nil: Vec::new() }
    }
}

impl Deref for Participants {
    type Target = Vec<IdentitySkeleton>;

    fn deref(&self) -> &Vec<IdentitySkeleton> {
        &self.nodes
    }
}

impl DerefMut for Participants {
    fn deref_mut(&mut self) -> &mut Vec<IdentitySkeleton> {
        &mut self.nodes
    }
}

impl<'a> IntoIterator for &'a Participants {
    type Item = &'a IdentitySkeleton;
    type IntoIter = core::slice::Iter<'a, IdentitySkeleton>;

    fn into_iter(self) -> Self::IntoIter {
        self.nodes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identifier, Role};
    use alloc::string::String;

    fn node(number: u8) -> Option<IdentitySkeleton> {
        Some(IdentitySkeleton {
            node_id: Identifier([number; 32]),
            address: String::new(),
            role: Role::Access,
            initial_weight: 0,
            staking_key: None,
            network_key: None,
        })
    }

    #[bounded::test]
    fn keeps_every_nil_in_its_place() {
        for pattern in 0u8..32 {
            let entries: Vec<_> =
                (0..5).map(|at| if pattern & (1 << at) == 0 { None } else { node(at) }).collect();
            let participants: Participants = entries.iter().cloned().collect();
            assert!(participants.entries().eq(entries.iter().map(Option::as_ref)), "{pattern:b}");
            let before = entries.iter().position(Option::is_none);
            assert_eq!(participants.first_nil(), before);
        }
    }
}
